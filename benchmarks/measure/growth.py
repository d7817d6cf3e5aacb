"""How runs grow with hosts and with applications; see benchmarks/README.md."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.measure import command, lab, machine, plots
from benchmarks.measure.command import say
from benchmarks.measure.profiled import changes
from groundcrew.lab import hosts as lab_hosts
from groundcrew.lab.inventory import host_data

PREFIX = "bench-n"
IDLE_HOSTS, RELEASE_HOSTS = "nothing to do, by hosts", "release, by hosts"
IDLE_APPS, RELEASE_APPS = "nothing to do, by applications", "release, by applications"

Figures = dict[str, dict[int, list[float]]]
"""Kind of run -> number of hosts or applications -> seconds of each run."""


def parser() -> argparse.ArgumentParser:
    """Returns the argument parser."""
    top = command.parser(
        "benchmarks/growth",
        "A run with nothing to do, and a release of changed code, by number of hosts; and both by "
        "number of applications on one host. Hosts have the names bench-n1, bench-n2, ...",
    )
    top.add_argument("--hosts", type=int, nargs="+", default=[1, 2, 5, 10], metavar="N")
    top.add_argument("--apps", type=int, nargs="+", default=[1, 2, 5], metavar="N")
    top.add_argument("--plot", type=Path, metavar="FILE", help="write an SVG file")
    top.add_argument("--repeat", type=int, default=3, help="runs of each kind (default 3)")
    return top


@dataclass
class Site:
    """Hosts that all run the same application, and the first one others as well."""

    folder: Path
    hosts: Sequence[str]
    apps: Sequence[str]
    number: int = 0

    @property
    def inventory(self) -> str:
        """The path of the inventory."""
        return str(self.folder / "inventory.py")

    def write(self, several: int) -> None:
        """Writes the inventory, with so many applications on the first host."""
        listed = []
        for number, name in enumerate(self.hosts):
            apps = self.apps[: several if number == 0 else 1]
            own = {app: {"source": {"directory": str(self.folder / app)}} for app in apps}
            listed.append((name, {**host_data(lab_hosts.find(name)), "apps": apps, "app": own}))
        Path(self.inventory).write_text(f"web = {listed!r}\n", encoding="utf-8")

    def change(self, apps: Sequence[str]) -> None:
        """Changes the code of applications."""
        self.number += 1
        for app in apps:
            (self.folder / app / "release.txt").write_text(f"release {self.number}\n")

    def run(self, playbook: str, hosts: Sequence[str]) -> tuple[float, int]:
        """Seconds of a run, and the number of operations that changed something."""
        limits = [part for name in hosts for part in ("--limit", name)]
        started = time.time()
        done = lab.run(["pyinfra", self.inventory, playbook, "-y", *limits])
        return time.time() - started, changes((done.stdout + done.stderr).decode())

    def idle(self, hosts: Sequence[str]) -> float:
        """Seconds of a run with nothing to do. Raises BenchmarkError if there was something."""
        seconds, changed = self.run("deploy.py", hosts)
        if changed:
            raise lab.BenchmarkError(f"a run with nothing to do made {changed} changes")
        return seconds

    def release(self, hosts: Sequence[str], apps: Sequence[str]) -> float:
        """Seconds of a release of changed code."""
        self.change(apps)
        return self.run("playbooks/release.py", hosts)[0]


@contextmanager
def manifests(apps: Sequence[str]) -> Iterator[None]:
    """Manifests of applications, in apps/ for a while: copies of examples/hello."""
    files = {app: lab.ROOT / "apps" / f"{app}.yml" for app in apps}
    for app, file in files.items():
        manifest: Mapping[str, Any] = {
            "source": {"directory": "examples/hello"},
            "requirements": "requirements.txt",
            "entry": "hello:app",
            "domains": [f"{app}.test"],
            "health": {"path": "/health"},
            # Starting the application costs more than all else, once for each worker.
            "server": {"workers": 2},
            # A canary, then all others: as many batches for two hosts as for twenty.
            "rollout": {"batch": "100%"},
        }
        file.write_text(json.dumps(manifest), encoding="utf-8")
    try:
        yield
    finally:
        for file in files.values():
            file.unlink()


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Runs the benchmark and prints the results. Raises BenchmarkError."""
    about = machine.describe()
    print(", ".join(f"{key} {value}" for key, value in about.items()))
    names = [f"{PREFIX}{number}" for number in range(1, max(options.hosts) + 1)]
    apps = [f"growth-{number}" for number in range(1, max(options.apps) + 1)]
    with tempfile.TemporaryDirectory() as folder, manifests(apps):
        for app in apps:
            shutil.copytree(lab.ROOT / "examples" / "hello", Path(folder) / app)
        site = Site(Path(folder), names, apps)
        lab.fresh(*names, suite=options.suite)
        site.write(1)
        say(f"{len(names)} bare hosts become ones that serve")
        first, _ = site.run("deploy.py", names)
        figures: Figures = {}
        note(figures, "first run", len(names), first)
        for _ in range(options.repeat):
            for number in options.hosts:
                note(figures, IDLE_HOSTS, number, site.idle(site.hosts[:number]))
            # The last one brings all hosts up to date.
            for number in sorted(options.hosts):
                seconds = site.release(site.hosts[:number], apps[:1])
                note(figures, RELEASE_HOSTS, number, seconds)
        for number in options.apps:
            # So many applications on the first host, all of them released.
            site.write(number)
            site.run("deploy.py", site.hosts[:1])
            for _ in range(options.repeat):
                note(figures, IDLE_APPS, number, site.idle(site.hosts[:1]))
                note(figures, RELEASE_APPS, number, site.release(site.hosts[:1], apps[:number]))
    for line in lines(figures):
        print(line)
    if options.plot:
        plot(figures, options.plot)
    return {"machine": about, "figures": figures, command.PROBLEMS: []}


def note(figures: Figures, kind: str, size: int, seconds: float) -> None:
    """Adds the seconds of a run."""
    say(f"{kind}, {size}: {seconds:.1f} s")
    figures.setdefault(kind, {}).setdefault(size, []).append(seconds)


def lines(figures: Figures) -> Iterator[str]:
    """A table of medians. Each kind of run is compared with its first line."""
    yield ""
    yield "| run | number | median | range | ratio |"
    yield "| --- | ---: | ---: | ---: | ---: |"
    for kind, sizes in figures.items():
        base = 0.0
        for size, seconds in sizes.items():
            own = median(seconds)
            base = base or own
            span = f"{min(seconds):.1f} to {max(seconds):.1f} s"
            yield f"| {kind} | {size} | {own:.1f} s | {span} | {own / base:.2f} |"


def plot(figures: Figures, file: Path) -> None:
    """Writes an SVG file with a chart by hosts and one by applications."""
    panes = [
        plots.Pane(
            title,
            axis,
            {
                name: [(size, median(seconds)) for size, seconds in figures[kind].items()]
                for name, kind in (("nothing to do", idle), ("release", release))
            },
        )
        for title, axis, idle, release in (
            ("by hosts", "hosts", IDLE_HOSTS, RELEASE_HOSTS),
            ("by applications on one host", "applications", IDLE_APPS, RELEASE_APPS),
        )
    ]
    plots.write("Growth of a run", panes, file)


if __name__ == "__main__":
    sys.exit(command.run(parser(), measure, *(f"{PREFIX}{number}" for number in range(1, 100))))
