"""Runs Locust with a plan, and a playbook meanwhile."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from groundcrew import tool
from groundcrew.loadtest.plan import Plan, PlanError
from groundcrew.project import ROOT

FOLDER = Path(__file__).parent
LOCK = FOLDER / "requirements" / "loadtest.lock"
LONGEST = 86_400
"""Seconds that a test may take in any case. The plan ends it before."""

SETTLE = 3
"""Seconds of load before and after a playbook."""

ENDING = 10
"""Seconds that requests may still take when a test ends."""

Tell = Callable[[Mapping[str, Any]], None]


def run(plan: Plan, html: Path, tell: Tell, during: Sequence[str] | None = None) -> dict[str, Any]:
    """Runs the test and returns what came of it. `tell` gets the figures of every second; `during`
    is a command that runs meanwhile, and the test ends after it. Raises PlanError if Locust does
    not run."""
    with TemporaryDirectory(prefix="groundcrew-") as name:
        plan_file, result = Path(name) / "plan.json", Path(name) / "result.json"
        plan_file.write_text(json.dumps({**plan, "duration": None} if during else plan))
        locust = subprocess.Popen(
            command(plan, html),
            env={
                **os.environ,
                "GROUNDCREW_LOADTEST": str(plan_file),
                "GROUNDCREW_LOADTEST_RESULT": str(result),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        meanwhile: dict[str, Any] = {}
        thread = threading.Thread(
            target=_during, args=(locust, plan["ramp_up"], during, meanwhile), daemon=True
        )
        errors: list[str] = []
        reader = threading.Thread(target=_read, args=(locust, errors), daemon=True)
        reader.start()
        if during:
            thread.start()
        stopped = False
        try:
            _follow(locust, tell)
        except KeyboardInterrupt:
            stopped = True
            locust.send_signal(signal.SIGTERM)
        locust.wait()
        reader.join(5)
        if during:
            thread.join()
        if not result.exists():
            raise PlanError(f"locust did not run: {' '.join(errors[-3:]) or locust.returncode}")
        told_result = {**json.loads(result.read_text()), "stopped": stopped}
        return {**told_result, **({"during": meanwhile} if during else {})}


def command(plan: Plan, html: Path) -> list[str]:
    """The command line of Locust."""
    users = plan["users"]
    return [
        str(tool.programs(LOCK) / "locust"),
        *("--locustfile", str(FOLDER / "locustfile.py"), "--headless", "--only-summary"),
        *("--users", str(users), "--spawn-rate", str(users / max(plan["ramp_up"], 0.1))),
        *("--run-time", f"{LONGEST}s", "--stop-timeout", str(ENDING)),
        *("--html", str(html), "--exit-code-on-error", "0", "--loglevel", "ERROR"),
    ]


def _follow(locust: subprocess.Popen[str], tell: Tell) -> None:
    assert locust.stdout
    for line in locust.stdout:
        # Locust prints a summary of its own as well.
        if line.startswith("{"):
            tell(json.loads(line))


def _read(locust: subprocess.Popen[str], errors: list[str]) -> None:
    assert locust.stderr
    errors += [line.strip() for line in locust.stderr if line.strip()]


def _during(
    locust: subprocess.Popen[str],
    ramp_up: int,
    during: Sequence[str],
    meanwhile: dict[str, Any],
) -> None:
    """Runs a command under load, and ends the load after it."""
    time.sleep(ramp_up + SETTLE)
    began = time.monotonic()
    status = subprocess.run(
        during, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False
    ).returncode
    meanwhile.update(
        playbook=next(word for word in during if word.startswith("playbooks/")),
        status=status,
        seconds=round(time.monotonic() - began, 1),
    )
    time.sleep(SETTLE)
    locust.send_signal(signal.SIGTERM)
