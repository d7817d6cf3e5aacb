"""Which tests run side by side, and which have the machine alone. Lanes with hosts have a lab each.

The lanes are fixed, so that a test always finds the same hosts and comes after the same others.
`python -m tests.lanes PATH...` runs all of them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePath
from xml.etree import ElementTree

SECOND = {
    "apt_sources",
    "attacks",
    "audit_host",
    "audit_strict",
    "backup",
    "config",
    "converge",
    "day2",
    "documented",
    "edge",
    "environment",
    "examples",
    "extending",
    "fail2ban",
    "fleet",
    "front",
    "health",
    "host",
    "instances",
    "mistakes",
    "package",
    "power_cut",
    "real_apps",
    "replication",
    "restore_examples",
    "swarm",
    "takeover",
    "tls",
    "used_host",
    "values",
    "verify",
    "web",
    "worker_processes",
    "wrong_values",
}
QUIET = {"audit_edge", "backup_load", "loadtest", "release_load"}
"""What measures how fast answers come."""

LAST = {"audit_strict"}
"""What waits for a host that is made and audited in the background: the last files of a lane."""

BOTH_SUITES = ("first", "second")
"""Lanes whose tests need a host of each suite."""

BARE = "second"
"""The lane whose hosts are bare before their first run: test_converge.py looks at it."""

FAILED_RUN = "groundcrew: the run failed"
LANES = ("unit", "first", "second", "quiet")
BEHIND = ("unit", "second")
"""Lanes beside the first, whose output is the one that is seen."""

AGAIN = ("--reruns", "1")
"""A test that fails has a second try: one of thousands that a busy machine disturbs would else say
that all is wrong. The end names each, with why the first try failed, to be mended."""

NICE = ("nice", "-n", "5")
"""For unit tests, which wait for nothing: others have the processors first."""

SHOWN = 10
"""The slowest files of each lane that are named at the end."""


def lane(path: PurePath) -> str:
    """The lane of a test file."""
    if path.parent.name == "unit":
        return "unit"
    name = path.stem.removeprefix("test_")
    if name in QUIET:
        return "quiet"
    return "second" if name in SECOND else "first"


def order(path: PurePath) -> int:
    """Which files of a lane come after others."""
    return int(path.stem.removeprefix("test_") in LAST)


def files(name: str, paths: list[str]) -> list[str]:
    """The test files of a lane below the paths. pytest would import all files to find its own."""
    every = (
        file
        for path in map(Path, paths)
        for file in ([path] if path.is_file() else sorted(path.rglob("test_*.py")))
    )
    return [str(file) for file in every if lane(file) == name]


def report(name: str) -> Path:
    """Where a lane writes down what came of its tests."""
    return Path(f".groundcrew/lane-{name}.xml")


def retried(name: str) -> Path:
    """Where a lane writes down which tests had a second try."""
    return Path(f".groundcrew/lane-{name}.again")


def log(name: str) -> Path:
    """Where the output of a lane goes, if it is shown later."""
    return Path(f".groundcrew/{name}-lane.log")


def command(name: str, paths: list[str], temporary: Path) -> list[str]:
    """pytest for one lane, with temporary files of its own in `temporary`. Where pytest chooses the
    place, one lane removes at its end what others have left or still use."""
    options = ["--lane", name, "--durations=15", f"--junitxml={report(name)}", *AGAIN]
    options.append(f"--basetemp={temporary / name}")
    before = NICE if name == "unit" else ()
    return [*before, sys.executable, "-m", "pytest", *paths, *options]


def failed(file: Path) -> Iterator[str]:
    """The tests of a lane that failed, each with the first line of why."""
    if not file.exists():
        yield f"{file.stem} did not end"
        return
    for case in ElementTree.parse(file).iter("testcase"):
        for kind in ("failure", "error"):
            element = case.find(kind)
            if element is not None:
                yield f"{case.get('classname')}::{case.get('name')}: {kind}: {why(element)}"


def why(element: ElementTree.Element) -> str:
    """The first line of what a test failed with; of a failed run, how that ended as well."""
    message = element.get("message") or ""
    first, _, rest = message.partition("\n")
    if FAILED_RUN not in rest:
        return first
    return f"{first} … {' '.join(rest.rpartition(FAILED_RUN)[2].split())}"


def brief(text: str) -> str:
    """The first error of a traceback of pytest, in one line."""
    errors = (line[1:].strip() for line in text.splitlines() if line.startswith("E "))
    return next(errors, "no error")[:300]


def slowest(file: Path) -> str:
    """The test files of a lane that took the most minutes."""
    if not file.exists():
        return ""
    minutes: dict[str, float] = {}
    for case in ElementTree.parse(file).iter("testcase"):
        # A file that cannot be imported is told without a class.
        parts = (case.get("classname") or case.get("name") or "").split(".")
        name = next((part for part in parts if part.startswith("test_")), "others")
        name = name.removeprefix("test_")
        minutes[name] = minutes.get(name, 0) + float(case.get("time", 0)) / 60
    longest = sorted(minutes.items(), key=lambda item: item[1], reverse=True)
    return ", ".join(f"{name} {took:.1f}" for name, took in longest[:SHOWN])


@dataclass(frozen=True)
class Ended:
    """How a lane ended."""

    status: int
    minutes: float


def run(name: str, paths: list[str], temporary: Path) -> Ended:
    """Runs a lane. Its output goes to a file if another lane's comes meanwhile."""
    started = time.monotonic()
    with ExitStack() as stack:
        file = stack.enter_context(log(name).open("w")) if name in BEHIND else None
        lab = {"GROUNDCREW_LAB": "second"} if name in BEHIND else {}
        status = subprocess.run(
            command(name, files(name, paths), temporary),
            env={**os.environ, **lab},
            stdout=file,
            stderr=subprocess.STDOUT if file else None,
            check=False,
        ).returncode
    return Ended(status, (time.monotonic() - started) / 60)


def main(paths: list[str]) -> int:
    """Run all lanes; the exit status of the first that failed. Temporary files stay if one did."""
    # Sockets are among them, whose names must be short.
    temporary = Path(tempfile.mkdtemp(prefix="lanes-"))
    status = run_all(paths, temporary)
    if status:
        print(f"temporary files of the tests: {temporary}", flush=True)
    else:
        # Tests leave trees that are deeper than Python's own way goes.
        subprocess.run(["rm", "-rf", str(temporary)], check=False)
    return status


def run_all(paths: list[str], temporary: Path) -> int:
    """The exit status of the first lane that failed. The output of those that run behind the first
    comes when all have ended, and the failed tests of all at the very end."""
    names = [name for name in LANES if name != "unit" or any("unit" in path for path in paths)]
    for name in names:
        report(name).unlink(missing_ok=True)
        retried(name).unlink(missing_ok=True)
    ended: dict[str, Ended] = {}
    # Interrupted, each takes its hosts down, which is waited for.
    with ThreadPoolExecutor() as pool:
        behind = {
            name: pool.submit(run, name, paths, temporary) for name in BEHIND if name in names
        }
        ended["first"] = run("first", paths, temporary)
        ended |= {name: future.result() for name, future in behind.items()}
    for name in behind:
        print(log(name).read_text(), flush=True)
    ended["quiet"] = run("quiet", paths, temporary)
    told = ", ".join(f"{name} {ended[name].minutes:.1f}" for name in names)
    print(f"minutes of each lane: {told}; quiet comes after the others", flush=True)
    for name in names:
        print(f"slowest in lane {name}, in minutes: {slowest(report(name))}", flush=True)
    for name in names:
        if retried(name).exists():
            for line in retried(name).read_text().splitlines():
                print(f"SECOND TRY in lane {name}: {line}", flush=True)
    for name in names:
        lines = list(failed(report(name)))
        if ended[name].status and not lines:
            lines = [f"no test, but pytest ended with {ended[name].status}: see its output"]
        for line in lines:
            print(f"FAILED in lane {name}: {line}", flush=True)
    return next((ended[name].status for name in names if ended[name].status), 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
