"""groundcrew beside Ansible, by number of hosts and by latency; see benchmarks/README.md."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.measure import command, lab, machine, plots
from benchmarks.measure.command import say
from benchmarks.measure.peer import Peer
from benchmarks.measure.profiled import changes
from benchmarks.measure.relay import Relay
from groundcrew.lab import hosts as lab_hosts
from groundcrew.lab.inventory import host_data

OURS, PEER, MITOGEN = "groundcrew", "ansible", "ansible, mitogen"
FIRST, NOOP, LINE = "first run", "nothing to do", "one line of nginx"
STEPS = (FIRST, NOOP, LINE)
TOOLS = (OURS, PEER, MITOGEN)
GROUP = {OURS: "bench-g", PEER: "bench-a", MITOGEN: "bench-m"}


@dataclass(frozen=True)
class Figure:
    """One run."""

    tool: str
    hosts: int
    latency: int
    """Milliseconds of a round trip."""

    step: str
    seconds: float
    changes: int


def parser() -> argparse.ArgumentParser:
    """Returns the argument parser."""
    top = command.parser(
        "benchmarks/fleet",
        "groundcrew beside Ansible with pipelining, and with mitogen: the first run, a run with "
        "nothing to do and one with a changed line, by number of hosts and by latency.",
    )
    top.add_argument("--hosts", type=int, nargs="+", default=[1, 5], metavar="N")
    top.add_argument("--latency", type=int, nargs="+", default=[0, 100], metavar="MS")
    top.add_argument("--repeat", type=int, default=3, help="runs that change nothing or a line")
    top.add_argument("--steps", nargs="+", default=STEPS, choices=STEPS, help="default: all")
    top.add_argument("--without", nargs="+", default=[], choices=TOOLS[1:], help="others to omit")
    top.add_argument("--earlier", type=Path, nargs="+", default=[], metavar="JSON",
                     help="figures of earlier runs, for the table and the plots")  # fmt: skip
    top.add_argument("--plots", type=Path, metavar="FOLDER", help="write SVG files")
    return top


class Groundcrew:
    """Runs of deploy.py."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.keepalive = 60

    def inventory(self, ports: Mapping[str, tuple[str, int]]) -> str:
        """Writes an inventory of the hosts and returns its path."""
        listed = [
            (name, {**host_data(lab_hosts.find(name)), "ssh_hostname": address, "ssh_port": port,
                    "ssh_known_hosts_file": str(self.folder / "known_hosts"),
                    "ssh_strict_host_key_checking": "accept-new"})
            for name, (address, port) in ports.items()
        ]  # fmt: skip
        path = self.folder / "fleet.py"
        path.write_text(f"web = {listed!r}\n", encoding="utf-8")
        return str(path)

    def run(self, ports: Mapping[str, tuple[str, int]], *, line: bool) -> tuple[float, int]:
        """Seconds, and the number of operations that changed something."""
        self.keepalive += line
        settings = json.dumps({"keepalive_timeout": self.keepalive})
        arguments = [self.inventory(ports), "deploy.py", "-y", "--data", f"nginx={settings}"]
        started = time.time()
        done = lab.run(["pyinfra", *arguments])
        seconds = time.time() - started
        return seconds, changes((done.stdout + done.stderr).decode())


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Runs the benchmark and prints the results. Raises BenchmarkError."""
    about = machine.describe()
    print(", ".join(f"{key} {value}" for key, value in about.items()))
    tools = [tool for tool in TOOLS if tool not in options.without]
    figures = [
        Figure(**item)
        for path in options.earlier
        for item in json.loads(path.read_text(encoding="utf-8"))["figures"]
    ]
    with tempfile.TemporaryDirectory() as folder:
        lab.fresh(lab.GROUNDCREW, suite=options.suite)
        lab.pyinfra("deploy.py")
        peer = Peer(Path(folder), lab.GROUNDCREW)
        lab.remove(lab.GROUNDCREW)
        for number in options.hosts:
            figures += of_fleet(options, tools, number, peer)
    # Earlier figures may have others.
    tools = [tool for tool in TOOLS if any(item.tool == tool for item in figures)]
    for text in lines(figures, tools):
        print(text)
    if options.plots:
        plot(figures, tools, options.plots)
    wrong = [item for item in figures if item.step == NOOP and item.changes]
    return {
        "machine": about,
        "figures": [asdict(item) for item in figures],
        command.PROBLEMS: [f"{item} changed something" for item in wrong],
    }


def rounds(options: argparse.Namespace) -> Iterator[tuple[int, list[str]]]:
    """Latencies, each with the runs that have it. The first run has the first latency, or none if
    it is not measured."""
    later = [step for step in STEPS[1:] if step in options.steps] * options.repeat
    if FIRST not in options.steps:
        yield 0, [FIRST]
    for latency in options.latency:
        first = FIRST in options.steps and latency == options.latency[0]
        yield latency, [*([FIRST] if first else []), *later]


def of_fleet(
    options: argparse.Namespace, tools: Sequence[str], number: int, peer: Peer
) -> Iterator[Figure]:
    """The figures of fresh hosts, so many for each tool. Tools take turns. The first run has the
    first latency; what is not asked for is not measured, but done."""
    names = {tool: [f"{GROUP[tool]}{n}" for n in range(1, number + 1)] for tool in tools}
    every = [name for tool in tools for name in names[tool]]
    lab.fresh(*every, suite=options.suite)
    (peer.folder / "known_hosts").unlink(missing_ok=True)
    ours = Groundcrew(peer.folder)
    for latency, steps in rounds(options):
        with Relay({name: lab.address(name) for name in every}, latency / 1000) as relay:
            for turn, step in enumerate(steps):
                if step == LINE:
                    peer.change(f"# {latency} {turn}\n")
                for tool in tools if turn % 2 else tools[::-1]:
                    ports = {name: relay.ports[name] for name in names[tool]}
                    if tool == OURS:
                        seconds, changed = ours.run(ports, line=step == LINE)
                    else:
                        user = "root" if step == FIRST else lab.ADMIN
                        # Where the first run is not measured, the faster one prepares the hosts.
                        fast = tool == MITOGEN or step not in options.steps
                        seconds, changed = peer.run(ports, user, mitogen=fast)
                    where = f"{number} hosts, {latency} ms, {step}"
                    say(f"{where}: {tool} {seconds:.1f} s, {changed} changes")
                    if step in options.steps:
                        yield Figure(tool, number, latency, step, seconds, changed)
    lab.remove(*every)


def seconds_of(figures: Sequence[Figure], **what: object) -> float | None:
    """Median of the figures with these values; None if there are none."""
    seconds = [
        item.seconds
        for item in figures
        if all(getattr(item, key) == value for key, value in what.items())
    ]
    return median(seconds) if seconds else None


def plot(figures: Sequence[Figure], tools: Sequence[str], folder: Path) -> None:
    """Writes an SVG file for each kind of run, with a chart for each latency."""
    latencies = sorted({item.latency for item in figures})
    numbers = sorted({item.hosts for item in figures})
    for step in STEPS:
        panes = []
        for latency in latencies:
            of_tools = {
                tool: [
                    (number, seconds)
                    for number in numbers
                    if (
                        seconds := seconds_of(
                            figures, tool=tool, hosts=number, latency=latency, step=step
                        )
                    )
                ]
                for tool in tools
            }
            drawn = {tool: points for tool, points in of_tools.items() if points}
            panes.append(plots.Pane(f"{latency} ms", "hosts", drawn))
        panes = [pane for pane in panes if pane.lines]
        if panes:
            plots.write(step, panes, folder / f"fleet-{step.replace(' ', '-')}.svg")


def cell(seconds: float | None, own: float) -> str:
    """How long another tool takes, also as a multiple."""
    return f"{seconds:.1f} s ({seconds / own:.1f} times)" if seconds else "not measured"


def lines(figures: Sequence[Figure], tools: Sequence[str]) -> Iterator[str]:
    """A Markdown table of medians, and how many times as long the others take."""
    yield ""
    yield f"| hosts | latency | run | {' | '.join(tools)} |"
    yield f"| ---: | ---: | --- |{' ---: |' * len(tools)}"
    for number, latency in dict.fromkeys((item.hosts, item.latency) for item in figures):
        for step in STEPS:
            run = {"hosts": number, "latency": latency, "step": step}
            seconds = {tool: seconds_of(figures, tool=tool, **run) for tool in tools}
            own = seconds[OURS]
            if own is None:
                continue
            cells = [f"{own:.1f} s", *(cell(seconds[tool], own) for tool in tools[1:])]
            yield f"| {number} | {latency} ms | {step} | {' | '.join(cells)} |"


if __name__ == "__main__":
    every_name = [f"{group}{n}" for group in GROUP.values() for n in range(1, 100)]
    sys.exit(command.run(parser(), measure, lab.GROUNDCREW, *every_name))
