"""Runs the release hooks of an application once, as a unit that outlives the operator.

Runs on the host as root, as `python3 -c SCRIPT` with a JSON payload on stdin: {"unit": of the
hooks, "done": file that exists once they have run, "each", "timeout": seconds for one and for all,
"log": file for their output, "run": as in groundcrew/remote/run_lock.py, "on_failure": shell
command}. If the unit already runs, it was started by a run that is gone: this one waits for it
instead of starting it again. Exits with 0 if the hooks have run, else with 1 and their last lines
on stderr. Standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from groundcrew.remote.commands import ending
from groundcrew.remote.printable import printable
from groundcrew.remote.run_lock import RunIsGoneError, step, taken_over

LOOK = 0.1
LINES_SHOWN = 40
MOST = 8 << 20
"""Bytes of the hooks' output that are kept, those at its end."""
MARGIN = 60
"""Seconds after the hooks' timeout by which systemd must have stopped them."""


def state(unit: str) -> dict[str, str]:
    """The unit's state in systemd."""
    shown = subprocess.run(
        ["systemctl", "show", "--property=ActiveState,InvocationID,Job,Result", unit],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    return dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)


def journal(unit: str, invocation: str, since: float) -> list[str]:
    """The output of one invocation of the unit. On a busy host, journald may look up a process
    after it has ended, and then knows its unit but not the invocation."""
    subprocess.run(["journalctl", "--sync"], check=False)
    for match in (
        [f"_SYSTEMD_INVOCATION_ID={invocation}"],
        [f"--since=@{int(since)}", f"_SYSTEMD_UNIT={unit}"],
    ):
        text = ending(["journalctl", "--no-pager", "--quiet", "--output=cat", *match], MOST)
        if text:
            return printable(text).splitlines()
    return []


def keep(path: str, unit: str, invocation: str, since: float) -> list[str]:
    """The output of the hooks; also saved in the release's directory, which root owns."""
    lines = journal(unit, invocation, since)
    Path(path).unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with os.fdopen(os.open(path, flags, 0o640), "w", encoding="utf-8") as file:
        file.write("".join(f"{line}\n" for line in lines))
    return lines


def run(payload: dict[str, Any]) -> int:
    """Starts the unit unless it runs, and waits for it; returns the exit status."""
    unit, done = payload["unit"], Path(payload["done"])
    if done.exists():
        return 0
    since = time.time()
    now = state(unit)
    if now.get("ActiveState") in ("activating", "deactivating"):
        since -= payload["timeout"]
        print("the hooks of a run that is gone are at work: waiting for their end", flush=True)
    else:
        subprocess.run(["systemctl", "daemon-reload"], check=True)
        subprocess.run(["systemctl", "reset-failed", unit], check=False, stderr=subprocess.DEVNULL)
        subprocess.run(["systemctl", "start", "--no-block", unit], check=True)
    deadline = time.monotonic() + payload["timeout"] + MARGIN
    invocation = ""
    while time.monotonic() < deadline:
        now = state(unit)
        invocation = now.get("InvocationID") or invocation
        if done.exists():
            print("\n".join(keep(payload["log"], unit, invocation, since)))
            return 0
        # On a busy host, the start job may still be queued.
        if now.get("ActiveState") in ("failed", "inactive") and not now.get("Job"):
            # The unit may have created the file, its last action, between the two checks.
            if done.exists():
                continue
            break
        if taken_over(payload["run"]):
            raise RunIsGoneError
        time.sleep(LOOK)
    lines = keep(payload["log"], unit, invocation, since)
    print("\n".join(lines[-LINES_SHOWN:]), file=sys.stderr)
    subprocess.run(["sh", "-c", payload["on_failure"]], check=False)
    began = [line for line in lines if line.startswith("--> hook: ")]
    command = began[-1][len("--> hook: ") :] if began else unit
    result = now.get("Result", "")
    why = f" (longer than {payload['each']} s)" if result == "timeout" else ""
    print(f"hook failed: {command}{why}", file=sys.stderr)
    return 1


def main() -> int:
    """Runs the hooks in the payload on stdin."""
    payload = json.load(sys.stdin)
    try:
        with step(payload["run"]):
            return run(payload)
    except (RunIsGoneError, OSError, subprocess.CalledProcessError) as error:
        print(f"release hooks: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
