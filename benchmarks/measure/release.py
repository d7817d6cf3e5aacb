"""Steps of a release of changed code with unchanged requirements; see benchmarks/README.md."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.measure import command, lab, machine
from benchmarks.measure.command import say
from benchmarks.measure.load import Load, Window

APP = "hello"
QUIET = 15
STEPS = (
    ("start of pyinfra, state, lock", "began"),
    ("upload and unpack", "unpacked"),
    ("build", "built"),
    ("files, hooks", "starting"),
    ("start and probe", "switched"),
    ("check through nginx", "checked"),
    ("workers, drain, stop, prune", "ended"),
)
"""Title of each step, and the moment that ends it."""


def parser() -> argparse.ArgumentParser:
    """Returns the argument parser."""
    top = command.parser(
        "benchmarks/release",
        "Releases of changed code under load, step by step, and changes of nginx's own "
        "configuration beside them, on a lab host of its own (bench-a).",
    )
    top.add_argument("--repeat", type=int, default=5, help="releases, and changes of nginx")
    top.add_argument("--rate", type=int, default=200, help="requests per second")
    return top


def settings(source: Path) -> dict[str, Any]:
    """The application's settings. Limits are off, as the load comes from one address."""
    return {APP: {"source": {"directory": str(source)}, "nginx": {"limits": False}}}


def release(source: Path, number: int) -> dict[str, float]:
    """Releases changed code. Returns the moments that end its steps, in Unix time, from files on
    the host."""
    (source / "release.txt").write_text(f"release {number}\n")
    data = json.dumps(settings(source))
    with tempfile.NamedTemporaryFile(suffix=".json") as profile:
        started = time.time()
        lab.pyinfra(
            "playbooks/release.py", "--data", f"app={data}", GROUNDCREW_PROFILE=profile.name
        )
        ended = time.time()
        steps = json.load(profile)["hosts"][lab.GROUNDCREW]["operations"]
    operations = {step["name"].partition(" | ")[2]: step for step in steps}
    checked = operations[f"{APP}: start, probe and switch"]
    root = f"/srv/{APP}/current"
    question = (
        f"stat -c %.Y {root}/app {root}/release.json && "
        f"stat -c %.Y /run/groundcrew/nginx/{APP}/current.sock && "
        f"systemctl show --property=InactiveExitTimestampMonotonic --value "
        f"{APP}@$(basename $(readlink {root})).service && cut -d' ' -f1 /proc/uptime && date +%s.%N"
    )
    unpacked, built, switched, monotonic, uptime, now = map(
        float, lab.as_root(lab.GROUNDCREW, question).decode().split()
    )
    return {
        "started": started,
        "began": operations["build releases"]["started"],
        "unpacked": unpacked,
        "built": built,
        "starting": now - uptime + monotonic / 1e6,
        "switched": switched,
        "checked": checked["started"] + checked["seconds"],
        "ended": ended,
    }


def change_nginx(source: Path, number: int) -> None:
    """Changes nginx's own configuration, the only change that reloads nginx."""
    data = json.dumps(settings(source))
    level = f"nginx.gzip_level={number % 9 + 1}"
    lab.pyinfra("deploy.py", "--data", f"app={data}", "--data", level)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Runs the benchmark and prints the results. Raises BenchmarkError."""
    about = machine.describe()
    print(", ".join(f"{key} {value}" for key, value in about.items()))
    print()
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / APP
        shutil.copytree(lab.ROOT / "examples" / APP, source)
        say("a bare host becomes one that serves")
        lab.fresh(lab.GROUNDCREW, suite=options.suite)
        lab.pyinfra("deploy.py", "--data", f"app={json.dumps(settings(source))}")
        release(source, 0)

        load = Load(lab.address(lab.GROUNDCREW), f"{APP}.test", options.rate)
        say(f"{QUIET} s of load alone")
        time.sleep(QUIET)
        quiet_until = time.time()
        releases = []
        for number in range(1, options.repeat + 1):
            say(f"release {number}")
            releases.append(release(source, number))
        released_until = time.time()
        for number in range(1, options.repeat + 1):
            say(f"change {number} of nginx")
            change_nginx(source, number)
        changed_until = time.time()
        load.end()
    windows = {
        "quiet": load.window(quiet_until - QUIET + 2, quiet_until),
        "releases": load.window(quiet_until, released_until),
        "changes of nginx": load.window(released_until, changed_until),
    }
    for line in [*split_lines(releases), "", *window_lines(windows, options.repeat)]:
        print(line)
    failed = windows["releases"].failed
    return {
        "machine": about,
        "releases": releases,
        "windows": {name: asdict(window) for name, window in windows.items()},
        command.PROBLEMS: [f"{failed} requests failed during releases"] if failed else [],
    }


def split_lines(releases: Sequence[dict[str, float]]) -> list[str]:
    """A table of each step's median seconds."""
    before = "started"
    lines = [f"A release of changed code (median of {len(releases)})", ""]
    for title, end in STEPS:
        seconds = median(moments[end] - moments[before] for moments in releases)
        lines.append(f"  {title:34}{seconds:7.2f} s")
        before = end
    until = median(moments["switched"] - moments["started"] for moments in releases)
    whole = median(moments["ended"] - moments["started"] for moments in releases)
    return [*lines, f"  {'until the switch':34}{until:7.2f} s", f"  {'in all':34}{whole:7.2f} s"]


def window_lines(windows: dict[str, Window], events: int) -> list[str]:
    """A table of what clients saw."""
    lines = ["What clients saw", ""]
    lines.append(f"  {'':20}{'requests':>10}{'per s':>8}{'failed':>8}{'p50':>10}{'p99':>10}")
    for name, window in windows.items():
        title = name if name == "quiet" else f"{events} {name}"
        lines.append(
            f"  {title:20}{window.requests:10}{window.requests / window.seconds:8.0f}"
            f"{window.failed:8}{1000 * window.p50:7.1f} ms{1000 * window.p99:7.1f} ms"
        )
    return lines


if __name__ == "__main__":
    sys.exit(command.run(parser(), measure, lab.GROUNDCREW))
