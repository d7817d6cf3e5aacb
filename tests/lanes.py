"""Which tests run side by side, each lane in a lab of its own, and which have the machine alone.

The lanes are fixed, so that a test always finds the same hosts and comes after the same others.
`python -m tests.lanes PATH...` runs all of them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path, PurePath
from xml.etree import ElementTree

SECOND = {
    "attacks",
    "audit_host",
    "audit_strict",
    "config",
    "converge",
    "day2",
    "edge",
    "environment",
    "examples",
    "fail2ban",
    "front",
    "host",
    "instances",
    "power_cut",
    "real_apps",
    "tls",
    "values",
    "verify",
    "web",
    "worker_processes",
    "wrong_values",
}
"""With the unit tests before them."""

QUIET = {"audit_edge", "release_load"}
"""What measures how fast answers come."""

LANES = ("first", "second", "quiet")


def lane(path: PurePath) -> str:
    """The lane of a test file."""
    if path.parent.name == "unit":
        return "second"
    name = path.stem.removeprefix("test_")
    if name in QUIET:
        return "quiet"
    return "second" if name in SECOND else "first"


def report(name: str) -> Path:
    """Where a lane writes down what came of its tests."""
    return Path(f".groundcrew/lane-{name}.xml")


def command(name: str, paths: list[str]) -> list[str]:
    """pytest for one lane."""
    options = ["--lane", name, "--durations=15", f"--junitxml={report(name)}"]
    return [sys.executable, "-m", "pytest", *paths, *options]


def failed(file: Path) -> Iterator[str]:
    """The tests of a lane that failed, each with the first line of why."""
    if not file.exists():
        yield f"{file.stem} did not end"
        return
    for case in ElementTree.parse(file).iter("testcase"):
        for kind in ("failure", "error"):
            found = case.find(kind)
            if found is not None:
                why = (found.get("message") or "").partition("\n")[0]
                yield f"{case.get('classname')}::{case.get('name')}: {kind}: {why}"


def main(paths: list[str]) -> int:
    """Run all lanes; the exit status of the first that failed. The second's output comes when the
    first has ended, and the failed tests of all at the very end."""
    log = Path(".groundcrew/second-lane.log")
    for name in LANES:
        report(name).unlink(missing_ok=True)
    with log.open("w") as file:
        second = subprocess.Popen(
            command("second", paths),
            env={**os.environ, "GROUNDCREW_LAB": "second"},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
        try:
            first = subprocess.run(command("first", paths), check=False).returncode
        finally:
            # Interrupted, it was too, and takes its hosts down.
            second.wait()
    print(log.read_text(), flush=True)
    last = subprocess.run(command("quiet", paths), check=False).returncode
    for name in LANES:
        for line in failed(report(name)):
            print(f"FAILED in lane {name}: {line}", flush=True)
    return first or second.returncode or last


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
