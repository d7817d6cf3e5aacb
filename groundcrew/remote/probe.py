"""Asks an application for its health path until it answers as expected, or a deadline passes.

Runs on the host as `python3 -c SCRIPT` with a JSON payload on stdin: {"sockets": [path],
"release": directory of the release behind them, "port": number (without sockets, on 127.0.0.1),
"tls": whether visitors use HTTPS, "host": Host header, "path", "status", "timeout", "interval",
"request_timeout", "successes", "hold": seconds, "units": [name], "on_success", "on_failure": shell
command or null}. Each socket must answer; the probe gives up as soon as one of the units has
failed. Once healthy, the application must stay so for `hold` seconds. Exit 0 and a line for each on
stdout when healthy, else exit 1 with the last answer, and the units' last journal lines, on stderr,
after `on_failure` has run: here, so that it also runs when the operator is cut off.
Standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import time
from typing import Any

from groundcrew.remote.app_client import NginxConnection, http_status, socket_status

EARLY = 5.0
EARLY_INTERVAL = 0.05


def ask(payload: dict[str, Any], path: str | None) -> tuple[int | None, str]:
    """The status of one request, on a socket or through nginx, or None and why there was none."""
    url, timeout = payload["path"], payload["request_timeout"]
    headers = {
        "Host": payload["host"],
        "User-Agent": "groundcrew-probe",
        "X-Forwarded-For": "127.0.0.1",
        "X-Forwarded-Proto": "https" if payload["tls"] else "http",
        "Connection": "close",
    }
    nginx = NginxConnection(payload["port"], payload["host"], payload["tls"], timeout)
    try:
        if path:
            status = socket_status(path, payload["release"], url, headers, timeout)
        else:
            status = http_status(nginx, url, headers)
        return status, f"status {status}"
    except TimeoutError:
        return None, f"no answer within {timeout} s"
    except (OSError, http.client.HTTPException) as error:
        return None, f"{type(error).__name__}: {error}"
    finally:
        nginx.close()


def failed(units: list[str]) -> str | None:
    """Why a unit will not become healthy any more, or None."""
    if not units:
        return None
    properties = "--property=Id,ActiveState,SubState,NRestarts,Result"
    shown = subprocess.run(
        ["systemctl", "show", properties, *units], capture_output=True, text=True, check=False
    ).stdout
    for block in shown.strip().split("\n\n"):
        state = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        unit, active, result = (state.get(key, "") for key in ("Id", "ActiveState", "Result"))
        if state.get("SubState", "").startswith("auto-restart"):
            # Not counted as a restart before it happens; until then the release before answers.
            return f"unit {unit} has died ({result})"
        if active in ("failed", "inactive"):
            return f"unit {unit} is {active} ({result})"
        if int(state.get("NRestarts") or 0) > 0:
            return f"unit {unit} was restarted {state['NRestarts']} times ({result})"
    return None


def journal(units: list[str], lines: int = 40) -> str:
    """The units' last lines."""
    return subprocess.run(
        ["journalctl", "--no-pager", "--output=cat", f"--lines={lines}"]
        + [f"--unit={unit}" for unit in units],
        capture_output=True,
        text=True,
        check=False,
        errors="replace",
    ).stdout


def probe(payload: dict[str, Any]) -> str | None:
    """None when healthy, else the reason why not."""
    started = time.monotonic()
    for path in payload["sockets"] or [None]:
        reason = until_healthy(payload, path, started)
        if reason:
            return reason
    return hold(payload)


def until_healthy(payload: dict[str, Any], path: str | None, started: float) -> str | None:
    """None when a socket, or nginx, answers as it should; else the reason why not."""
    good = 0
    answer = "no attempt"
    while True:
        status, answer = ask(payload, path)
        good = good + 1 if status == payload["status"] else 0
        if good >= payload["successes"]:
            print(f"healthy after {time.monotonic() - started:.1f} s: {payload['path']} {answer}")
            return None
        reason = failed(payload["units"]) if status is None else None
        if reason:
            # systemd gives a start as long as the probe, and began a moment earlier.
            late = f"not healthy within {payload['timeout']} s: " if "(timeout)" in reason else ""
            return f"{late}{reason}; last answer: {answer}"
        if time.monotonic() - started > payload["timeout"]:
            return f"not healthy within {payload['timeout']} s: {payload['path']} gave {answer}"
        # Soon after the start an answer may come any moment; later it is not worth the processor.
        early = time.monotonic() - started < EARLY
        time.sleep(min(payload["interval"], EARLY_INTERVAL) if early else payload["interval"])


def hold(payload: dict[str, Any]) -> str | None:
    """None when the application stays healthy, else the reason why not; one slip is forgiven."""
    started = time.monotonic()
    failures = 0
    while time.monotonic() - started < payload["hold"]:
        time.sleep(max(payload["interval"], 0.2))
        status, answer = ask(payload, None)
        failures = 0 if status == payload["status"] else failures + 1
        reason = failed(payload["units"])
        if failures >= 2 or reason:
            after = f"{time.monotonic() - started:.1f} s after the first healthy answer"
            return f"{reason or 'unhealthy'} {after}: {payload['path']} gave {answer}"
    return None


def main() -> int:
    """Probes what the payload on stdin describes."""
    payload = json.load(sys.stdin)
    reason = probe(payload)
    if reason is None:
        if payload["on_success"]:
            return subprocess.run(["sh", "-c", payload["on_success"]], check=False).returncode
        return 0
    if payload["units"]:
        print(journal(payload["units"]), file=sys.stderr)
    if payload["on_failure"]:
        subprocess.run(["sh", "-c", payload["on_failure"]], check=False)
    print(reason, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
