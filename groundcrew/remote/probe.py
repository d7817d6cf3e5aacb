"""Requests an application's health path until it responds as expected or a deadline passes.

Runs on the host as `python3 -c SCRIPT` with a JSON payload on stdin, or with a list of them for
several applications (see groundcrew/remote/several.py): {"name", "sockets": [path], "release":
directory of the release behind them, "port": number (without sockets, on 127.0.0.1), "tls": whether
nginx speaks HTTPS, "scheme": visitors', "host": Host header, "path", "status", "timeout",
"interval", "request_timeout", "successes", "hold": seconds, "checks": [{"path", "status",
"contains": text or null, "own": whether the application itself serves it}], "maintenance": file
that switches it on, "units": [name], "serves": release that still serves if this one fails or null,
"on_success", "on_failure": shell command or null, "history": file, "good", "bad": changes to record
there (see groundcrew/remote/history.py), "run": as in groundcrew/remote/run_lock.py}. Each socket
must respond; the probe gives up as soon as one of the units has failed. Once healthy, the
application must stay so for `hold` seconds, and every check must pass; on a socket, without nginx
in front, a check fails only with status 500 and above. If the application is healthy, exits with 0
and prints a line for each socket. Otherwise runs `on_failure`, on the host so that it also runs if
the operator is cut off, and exits with 1 and the last response and the units' last journal lines on
stderr. Once another run has taken over, nothing more is done. Standard library only, Python 3.9 or
later.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from groundcrew.remote.app_client import Answer, NginxConnection, http_answer, socket_answer
from groundcrew.remote.history import note
from groundcrew.remote.run_lock import RunIsGoneError, step, taken_over
from groundcrew.remote.several import several
from groundcrew.remote.unit_health import journal, own_words, shown, trouble

READ, SHOWN = 400, 40
"""Lines of the units' journal: number to search for the cause of a failure, and number to show."""
EARLY = 5.0
EARLY_INTERVAL = 0.05


def ask(
    payload: dict[str, Any], path: str | None, url: str | None = None
) -> tuple[Answer | None, str]:
    """The response to one request for `url`, by default the health path, on a socket or through
    nginx. The response is None if there was none; the text describes the result."""
    url, timeout = url or payload["path"], payload["request_timeout"]
    headers = {
        "Host": payload["host"],
        "User-Agent": "groundcrew-probe",
        "X-Forwarded-For": "127.0.0.1",
        "X-Forwarded-Proto": payload["scheme"],
        "Connection": "close",
    }
    nginx = NginxConnection(payload["port"], payload["host"], payload["tls"], timeout)
    try:
        if path:
            answer = socket_answer(path, payload["release"], url, headers, timeout)
        else:
            answer = http_answer(nginx, url, headers)
        return answer, f"status {answer.status}"
    except TimeoutError:
        return None, f"no answer within {timeout} s"
    except (FileNotFoundError, ConnectionRefusedError):
        return None, "nobody listens yet"
    except (OSError, http.client.HTTPException) as error:
        return None, f"{type(error).__name__}: {error}"
    finally:
        nginx.close()


def probe(payload: dict[str, Any]) -> str | None:
    """Why the application is not healthy; None if it is."""
    started = time.monotonic()
    for path in payload["sockets"] or [None]:
        reason = until_healthy(payload, path, started) or failing_check(payload, path)
        if reason:
            return reason
    return hold(payload)


def failing_check(payload: dict[str, Any], path: str | None) -> str | None:
    """Why a check fails; None if all pass. A check that fails is repeated once."""
    if path is None and os.path.exists(payload["maintenance"]):
        # Visitors get the maintenance page; the checks on the sockets cover the application.
        return None
    for check in payload["checks"]:
        if path and not check["own"]:
            continue
        for last in (False, True):
            answer, text = ask(payload, path, check["path"])
            reason = wrong(check, answer, text, by_nginx=path is None)
            if reason is None:
                break
            if last:
                return f"check failed: {check['path']} {reason}"
            time.sleep(payload["interval"])
    return None


def wrong(check: dict[str, Any], answer: Answer | None, text: str, *, by_nginx: bool) -> str | None:
    """Why a response fails a check; None if it passes. Without nginx in front, only errors that
    nginx cannot change count."""
    if answer is None:
        return f"gave {text}"
    if not by_nginx:
        broken = answer.status >= 500 and answer.status != check["status"]
        return f"gave {text}" if broken else None
    if answer.status != check["status"]:
        return f"gave {text} instead of {check['status']}"
    if check["contains"] and check["contains"].encode() not in answer.body:
        return f"does not contain {check['contains']!r}"
    return None


def until_healthy(payload: dict[str, Any], path: str | None, started: float) -> str | None:
    """Why a socket, or nginx, does not become healthy before the deadline; None if it does."""
    good = 0
    answer = "no attempt"
    while True:
        if taken_over(payload["run"]):
            raise RunIsGoneError
        response, answer = ask(payload, path)
        good = good + 1 if response and response.status == payload["status"] else 0
        if good >= payload["successes"]:
            print(f"healthy after {time.monotonic() - started:.1f} s: {payload['path']} {answer}")
            return None
        reason = trouble(payload["units"]) if response is None else None
        if reason:
            # systemd's start timeout equals the probe's, and began a moment earlier.
            late = f"not healthy within {payload['timeout']} s: " if "(timeout)" in reason else ""
            return f"{late}{reason}; last answer: {answer}"
        if time.monotonic() - started > payload["timeout"]:
            return f"not healthy within {payload['timeout']} s: {payload['path']} gave {answer}"
        # Poll often right after the start; later, frequent polling only costs CPU time.
        early = time.monotonic() - started < EARLY
        time.sleep(min(payload["interval"], EARLY_INTERVAL) if early else payload["interval"])


def hold(payload: dict[str, Any]) -> str | None:
    """Why the application does not stay healthy; None if it does. A single failure is tolerated."""
    started = time.monotonic()
    failures = 0
    while time.monotonic() - started < payload["hold"]:
        time.sleep(max(payload["interval"], 0.2))
        if taken_over(payload["run"]):
            raise RunIsGoneError
        response, answer = ask(payload, None)
        failures = 0 if response and response.status == payload["status"] else failures + 1
        reason = trouble(payload["units"])
        if failures >= 2 or reason:
            after = f"{time.monotonic() - started:.1f} s after the first healthy answer"
            return f"{reason or 'unhealthy'} {after}: {payload['path']} gave {answer}"
    return None


def judge(payload: dict[str, Any]) -> int:
    """Probes, runs the follow-up commands and reports the result; returns the exit status."""
    reason = probe(payload)
    with_history = payload["history"]
    if reason is None:
        if with_history and payload["good"]:
            note(Path(payload["history"]), payload["good"])
        if payload["on_success"]:
            return subprocess.run(["sh", "-c", payload["on_success"]], check=False).returncode
        return 0
    said = journal(payload["units"], READ) if payload["units"] else ""
    if said:
        print(shown(said, SHOWN), file=sys.stderr)
    if payload["on_failure"]:
        subprocess.run(["sh", "-c", payload["on_failure"]], check=False)
    if with_history and payload["bad"]:
        note(Path(payload["history"]), payload["bad"])
    print(reason, file=sys.stderr)
    words = own_words(said)
    if words:
        print(f"the application says: {words}", file=sys.stderr)
    if payload["serves"]:
        print(f"{payload['serves']} still serves", file=sys.stderr)
    return 1


def one(payload: dict[str, Any]) -> int:
    """Probes one application; returns the exit status."""
    try:
        with step(payload["run"]):
            return judge(payload)
    except (RunIsGoneError, OSError) as error:
        print(error, file=sys.stderr)
        return 1


def main() -> int:
    """Runs the probes in the payload on stdin."""
    payload = json.load(sys.stdin)
    return several(payload, one) if isinstance(payload, list) else one(payload)


if __name__ == "__main__":
    sys.exit(main())
