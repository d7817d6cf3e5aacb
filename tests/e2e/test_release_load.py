"""Releases in a row under steady load: not one failed request, for every kind of server.

A normal run makes fewer releases, of half of the kinds of server, which are watched for a second;
`bin/test --full` makes all of them, with requests in flight that take 20 seconds. The figures are
added to `.groundcrew/release-load.jsonl`.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import FULL, ROOT, LabHost, pyinfra

RATE = 240
QUIET = 15 if FULL else 5
RELEASES = 10 if FULL else 3
SLOW = 2 if FULL else 0
"""Clients that ask for what takes 20 seconds."""
COMMAND = "uvicorn --uds {socket} --timeout-graceful-shutdown 25 hello_asgi:app"
APP = "hello"
ASGI = {"entry": "hello_asgi:app", "checks": []}
SERVERS: dict[str, tuple[str, dict[str, Any]]] = {
    "gunicorn-sync": ("hello", {"worker_class": "sync", "workers": 4 + SLOW}),
    "gunicorn-uvicorn": ("hello-asgi", {"worker_class": "uvicorn", "workers": 2}),
    "uwsgi": ("hello", {"type": "uwsgi", "processes": 4 + SLOW}),
}
if FULL:
    SERVERS |= {
        "gunicorn-gthread": ("hello", {"worker_class": "gthread", "workers": 2, "threads": 4}),
        "uvicorn": ("hello-asgi", {"type": "uvicorn", "workers": 2}),
        "command": ("hello-asgi", {"type": "command", "command": COMMAND}),
    }


def percentile(samples: list[float], share: float) -> float:
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@pytest.mark.parametrize("server", SERVERS)
def test_releases_under_load(bookworm: LabHost, tmp_path: Path, server: str) -> None:
    example, settings = SERVERS[server]
    source = tmp_path / APP
    shutil.copytree(ROOT / "examples" / example, source)
    if server == "command":
        # What brings its own server has it among its requirements.
        (source / "requirements.txt").write_text("starlette\nuvicorn\n")
    data = {
        "apps": [APP],
        "app": {
            APP: {
                **(ASGI if example == "hello-asgi" else {}),
                "source": {"directory": str(source)},
                "server": settings,
                "release": {"check_window": 5 if FULL else 1},
                # One address, more requests than a client may send.
                "nginx": {"limits": False},
            }
        },
    }
    first = pyinfra(bookworm.name, data=data)
    assert first.status == 0, first.stderr

    load = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("load.py")), bookworm.address, f"{APP}.test",
         "3000", str(RATE), str(SLOW)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    time.sleep(QUIET)
    started = time.time()
    seen = {bookworm.live(APP)}
    for number in range(RELEASES):
        (source / "release.txt").write_text(f"release {number}")
        run = pyinfra(bookworm.name, data=data, playbook="playbooks/release.py", nice=15)
        assert run.status == 0, run.stderr
        seen.add(bookworm.live(APP))
    ended = time.time()
    out, _ = load.communicate(timeout=90)
    result = json.loads(out)

    quiet = [took for at, took in result["samples"] if at < started]
    busy = [took for at, took in result["samples"] if started <= at <= ended]
    rate = len(busy) / (ended - started)
    figures = {
        "server": server,
        "releases": RELEASES,
        "requests": len(result["samples"]),
        "slow": result["slow"],
        "failed": len(result["failures"]),
        "requests_per_second": round(rate),
        "p99_quiet_ms": round(1000 * percentile(quiet, 0.99), 1),
        "p99_releases_ms": round(1000 * percentile(busy, 0.99), 1),
        "seconds_per_release": round((ended - started) / RELEASES, 1),
    }
    with (ROOT / ".groundcrew" / "release-load.jsonl").open("a") as file:
        file.write(json.dumps(figures) + "\n")
    assert len(seen) == RELEASES + 1
    assert result["failures"] == []
    assert rate >= 200
