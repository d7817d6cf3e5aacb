"""What the data roles add to a run that changes nothing: seconds and SSH commands, against a host
without them in the same process."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.measure import lab, machine

PLAIN, ROLES = "bench-plain", "bench-data"
GROUPS = {PLAIN: "web", ROLES: "web,postgresql,mariadb,redis"}


def deploy(host: str) -> tuple[float, int, float]:
    """Seconds and SSH commands of a run on one host, and how busy the machine was before it."""
    busy = machine.busy()
    command = ["pyinfra", "inventory/lab.py", "deploy.py", "-y", "--limit", host]
    with tempfile.NamedTemporaryFile(suffix=".json") as profile:
        started = time.monotonic()
        lab.run(
            [*command, "--data", 'apps=["hello"]'], environment={"GROUNDCREW_PROFILE": profile.name}
        )
        seconds = time.monotonic() - started
        profiled = json.loads(Path(profile.name).read_text(encoding="utf-8"))
    return seconds, profiled["hosts"][host]["commands"], busy


def main() -> None:
    """Prints the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--suite", default="bookworm")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--keep", action="store_true", help="leave the hosts")
    given = parser.parse_args()
    os.chdir(lab.ROOT)
    try:
        for host, groups in GROUPS.items():
            lab.run(["bin/lab", "reset", host, "--suite", given.suite, "--group", groups])
            deploy(host)
        rounds = [(deploy(PLAIN), deploy(ROLES)) for _ in range(given.rounds)]
    finally:
        if not given.keep:
            lab.remove(*GROUPS)
    for index, name in enumerate(("without", "with PostgreSQL, MariaDB and Redis")):
        runs = [item[index] for item in rounds]
        seconds, commands = median(run[0] for run in runs), median(run[1] for run in runs)
        print(f"{name}: {seconds:.2f} s, {commands:.0f} SSH commands")
    plain, roles = (median(item[index][0] for item in rounds) for index in (0, 1))
    busy = max(run[2] for item in rounds for run in item)
    print(f"ratio {roles / plain:.2f}; the machine was up to {busy:.0%} busy before a run")


if __name__ == "__main__":
    main()
