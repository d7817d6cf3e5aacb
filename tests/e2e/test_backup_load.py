"""A full backup under steady load: not one failed request, and answers almost as fast as before.

The figures are added to `.groundcrew/backup-load.jsonl`.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.harness import FULL, ROOT, converged, inside

APP = "hello"
RATE = 120
ROUNDS = 3
QUIET = 6
MEBIBYTES = 300
DIRECTORY = "/var/backups"
DATA = {
    "apps": [APP],
    "app": {
        APP: {
            # One address, more requests than a client may send.
            "nginx": {"limits": False},
            "server": {"worker_class": "sync", "workers": 4},
            "release": {"check_window": 0},
        }
    },
    "backup.targets": {"disk": {"type": "directory", "path": DIRECTORY}},
}
FILES = (
    f"cd /srv/{APP}/shared && mkdir uploads && for i in $(seq {MEBIBYTES // 2}); do "
    f"head -c 2M /dev/urandom > uploads/$i; done && chown -R {APP}: uploads"
)
SETTLED = (
    "systemctl stop 'groundcrew-backup-*.timer'; while systemctl is-active groundcrew-backup-drill "
    "| grep -q activating; do sleep 0.5; done"
)


def percentile(samples: list[float], share: float) -> float:
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@pytest.mark.skipif(not FULL, reason="needs a machine of its own: bin/test --full")
def test_a_full_backup_under_load() -> None:
    with converged("e2e-backup-load", "bookworm", DATA) as host:
        inside(host, f"{SETTLED}; {FILES}")
        load = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("load.py")), host.address, f"{APP}.test",
             "300", str(RATE)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        spans = []
        for _ in range(ROUNDS):
            # All of it is stored again.
            inside(host, f"rm -rf {DIRECTORY}/* /var/cache/groundcrew && sync && sleep 1")
            begun = time.time()
            time.sleep(QUIET)
            started = time.time()
            inside(host, "systemctl start groundcrew-backup-full")
            spans.append((begun, started, time.time()))
        out, _ = load.communicate(timeout=60)
        stored = int(inside(host, f"du -sm {DIRECTORY}").split()[0])
    result = json.loads(out)
    rounds = []
    for begun, started, ended in spans:
        quiet = [took for at, took in result["samples"] if begun <= at < started]
        busy = [took for at, took in result["samples"] if started <= at <= ended]
        rounds.append(
            {
                "seconds": round(ended - started, 1),
                "rate": round(len(busy) / (ended - started)),
                "p99_quiet_ms": round(1000 * percentile(quiet, 0.99), 1),
                "p99_backup_ms": round(1000 * percentile(busy, 0.99), 1),
            }
        )
    with (ROOT / ".groundcrew" / "backup-load.jsonl").open("a") as file:
        figures = {"failed": len(result["failures"]), "mebibytes": stored, "rounds": rounds}
        file.write(json.dumps(figures) + "\n")
    assert result["failures"] == []
    assert stored >= MEBIBYTES
    assert min(item["rate"] for item in rounds) >= 100, rounds
    ratios = [item["p99_backup_ms"] / item["p99_quiet_ms"] for item in rounds]
    assert statistics.median(ratios) <= 2, rounds
