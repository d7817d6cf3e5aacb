"""Cost of a release by what has changed; see benchmarks/README.md."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.measure import command, lab, machine
from benchmarks.measure.command import say

HOST = "bench-changes"
APP = "hello"
HERE = "this"
SMALL = "markupsafe==3.0.2"
"""A small requirement, one version older than the locked one."""


@dataclass(frozen=True)
class Kind:
    """A variant of the example application: additional lines of requirements, and settings."""

    title: str
    requirements: tuple[str, ...] = ()
    settings: Mapping[str, Any] | None = None


KINDS = (
    Kind("tiny"),
    Kind("large environment", ("pandas", "scipy", "pyarrow", "scikit-learn")),
    Kind(
        "compiles its own uWSGI",
        ("uwsgi",),
        {"server": {"type": "uwsgi"}, "build_apt": ["gcc", "libc6-dev", "python3-dev"]},
    ),
)
LIBPYTHON = {"bookworm": "libpython3.11", "trixie": "libpython3.13"}
"""Library that uWSGI is linked with. Versions of groundcrew that do not detect it need it in
`apt`."""
CHANGES = ("changed line", "changed setting", "changed requirement", "rollback", "no-op")


@dataclass(frozen=True)
class Figure:
    """One run: seconds until the release was live, seconds in all, and bytes that /srv grew by."""

    live: float | None
    whole: float
    grown: int


@dataclass
class Application:
    """The current state of one variant of the application."""

    kind: Kind
    source: Path
    suite: str
    timeout: int = 30

    def write(self, number: int, *more: str) -> None:
        """Writes the changed line and the requirements."""
        (self.source / "release.txt").write_text(f"release {number}\n")
        lines = ["flask==3.1.3", "gunicorn", *self.kind.requirements, *more]
        (self.source / "requirements.txt").write_text("\n".join(lines) + "\n")

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "source": {"directory": str(self.source)},
            "health": {"timeout": self.timeout},
            "apt": [LIBPYTHON[self.suite]],
            **(self.kind.settings or {}),
        }


Figures = dict[str, dict[str, dict[str, list[Figure]]]]
"""Variant -> version -> change -> runs."""


def parser() -> argparse.ArgumentParser:
    """Returns the argument parser."""
    top = command.parser(
        "benchmarks/changes",
        "What a release costs by what has changed, for three applications, on a lab host of its "
        f"own ({HOST}); with --before, the same with another version of groundcrew, in turn.",
    )
    top.add_argument("--before", metavar="COMMIT", help="another version, to compare with")
    top.add_argument("--repeat", type=int, default=3, help="releases of a changed line and setting")
    top.add_argument("--hosts", type=int, help="a changed line on so many hosts, and nothing else")
    numbers = ", ".join(f"{number} {kind.title}" for number, kind in enumerate(KINDS, start=1))
    top.add_argument(
        "--kinds", type=int, nargs="+", choices=range(1, len(KINDS) + 1), metavar="N",
        default=range(1, len(KINDS) + 1), help=f"only these applications: {numbers}",
    )  # fmt: skip
    return top


@contextmanager
def checkouts(before: str | None) -> Iterator[dict[str, Path]]:
    """The versions to measure, each with its checkout."""
    folders = {HERE: lab.ROOT}
    if before is None:
        yield folders
        return
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "before"
        lab.run(["git", "worktree", "add", "--detach", str(tree), before])
        try:
            yield {before[:7]: tree, **folders}
        finally:
            lab.run(["git", "worktree", "remove", "--force", str(tree)])


@dataclass(frozen=True)
class Version:
    """A checkout of groundcrew, which has its own lab host."""

    root: Path

    @property
    def environment(self) -> dict[str, str]:
        """Makes each checkout import its own modules."""
        return {"PYTHONPATH": str(self.root)}

    def lab(self, *arguments: str) -> None:
        """Runs the checkout's bin/lab."""
        lab.run(["bin/lab", *arguments], environment=self.environment, cwd=self.root)

    def pyinfra(self, app: Application, playbook: str, *arguments: str) -> float:
        """Runs pyinfra and returns the seconds that it took."""
        pyinfra = str(self.root / ".venv" / "bin" / "pyinfra")
        command = [pyinfra, "inventory/lab.py", playbook, "-y", "--limit", f"{HOST}*"]
        command += ["--data", f'apps=["{APP}"]', "--data", f"app={json.dumps({APP: app.settings})}"]
        began = time.time()
        lab.run([*command, *arguments], environment=self.environment, cwd=self.root)
        return time.time() - began

    def ask(self, text: str, host: str = HOST) -> list[float]:
        """The numbers that a shell command prints, run as root on a host."""
        done = lab.run(
            ["bin/lab", "ssh", "--user", lab.ADMIN, host, "sudo", "-n", "sh", "-c", f"'{text}'"],
            environment=self.environment,
            cwd=self.root,
        )
        return [float(word) for word in done.stdout.decode().split()]

    def switched(self, host: str = HOST) -> float:
        """Time at which the host switched to the live release, in Unix time."""
        # The link that nginx follows; its path depends on the version.
        links = f"/run/groundcrew/nginx/{APP}/current.sock /run/{APP}/current.sock"
        return self.ask(f"stat -c %.Y {links} 2>/dev/null | tail -n 1", host)[0]

    def measured(self, app: Application, playbook: str, *arguments: str) -> Figure:
        """Runs pyinfra and measures the result on the host."""
        size = f"du -s --block-size=1 /srv/{APP} | cut -f1"
        [before] = self.ask(size)
        began = time.time()
        whole = self.pyinfra(app, playbook, *arguments)
        [after] = self.ask(size)
        switched = self.switched()
        live = switched - began if switched > began else None
        return Figure(live, whole, int(after - before))


def measure_kind(version: Version, kind: Kind, repeat: int, suite: str) -> dict[str, list[Figure]]:
    """The runs of one variant with one version, by change."""
    by_change: dict[str, list[Figure]] = {change: [] for change in CHANGES}
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / APP
        shutil.copytree(lab.ROOT / "examples" / APP, source)
        app = Application(kind, source, suite)
        app.write(0)
        version.pyinfra(app, "deploy.py")
        for number in range(1, repeat + 1):
            app.write(number)
            by_change["changed line"].append(version.measured(app, "playbooks/release.py"))
        for _ in range(repeat):
            app.timeout += 1
            by_change["changed setting"].append(version.measured(app, "playbooks/release.py"))
        app.write(repeat, SMALL)
        by_change["changed requirement"].append(version.measured(app, "playbooks/release.py"))
        by_change["no-op"] += [version.measured(app, "deploy.py") for _ in range(repeat)]
        rollback = ("playbooks/rollback.py", "--data", f"app={APP}")
        by_change["rollback"].append(version.measured(replace(app), *rollback))
    return by_change


def measure_hosts(version: Version, hosts: Sequence[str], repeat: int, suite: str) -> list[Figure]:
    """Releases a changed line of the tiny application on several hosts. `live` is that of the last
    host."""
    figures_of_hosts = []
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / APP
        shutil.copytree(lab.ROOT / "examples" / APP, source)
        app = Application(KINDS[0], source, suite)
        for number in range(repeat + 1):
            app.write(number)
            began = time.time()
            whole = version.pyinfra(app, "playbooks/release.py" if number else "deploy.py")
            if number:
                live = max(version.switched(host) for host in hosts) - began
                figures_of_hosts.append(Figure(live, whole, 0))
    return figures_of_hosts


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Runs the benchmark and prints the results. Raises BenchmarkError."""
    about = machine.describe()
    print(", ".join(f"{key} {value}" for key, value in about.items()))
    figures: Figures = {}
    hosts = [f"{HOST}-{number}" for number in range(1, options.hosts + 1)] if options.hosts else []
    with checkouts(options.before) as trees:
        versions = {name: Version(root) for name, root in trees.items()}
        for name, version in versions.items() if hosts else ():
            say(f"{len(hosts)} hosts: {name}")
            version.lab("reset", "--suite", options.suite, *hosts)
            by_change = {CHANGES[0]: measure_hosts(version, hosts, options.repeat, options.suite)}
            figures.setdefault(f"tiny, {len(hosts)} hosts", {})[name] = by_change
            version.lab("down", *hosts)
        for kind in [KINDS[number - 1] for number in ([] if hosts else options.kinds)]:
            for name, version in versions.items():
                say(f"{kind.title}: {name}")
                version.lab("reset", "--suite", options.suite, HOST)
                of_kind = measure_kind(version, kind, options.repeat, options.suite)
                for change, items in of_kind.items():
                    say(f"{change}: {', '.join(f'{item.whole:.1f} s' for item in items)}")
                figures.setdefault(kind.title, {})[name] = of_kind
                version.lab("down", HOST)
    for line in lines(figures):
        print(line)
    return {
        "machine": about,
        "figures": {
            kind: {
                name: {
                    change: [asdict(item) for item in items] for change, items in by_change.items()
                }
                for name, by_change in by_version.items()
            }
            for kind, by_version in figures.items()
        },
        command.PROBLEMS: [],
    }


def lines(figures: Mapping[str, Mapping[str, Mapping[str, Sequence[Figure]]]]) -> Iterator[str]:
    """A Markdown table of medians, with a group of columns for each version."""
    names = list(dict.fromkeys(name for by_name in figures.values() for name in by_name))
    cells = [f"{name}: {title}" for name in names for title in ("live", "in all", "disk")]
    yield ""
    yield f"| application | what changed | {' | '.join(cells)} |"
    yield f"| --- | --- |{' ---: |' * len(cells)}"
    for kind, by_version in figures.items():
        for change in [item for item in CHANGES if all(item in by_version[name] for name in names)]:
            row = [cell for name in names for cell in shown(by_version[name][change])]
            yield f"| {kind} | {change} | {' | '.join(row)} |"


def shown(items: Sequence[Figure]) -> list[str]:
    """Medians of several runs: seconds until live, seconds in all, and MiB that /srv grew by."""
    live = [item.live for item in items if item.live is not None]
    return [
        f"{median(live):.1f} s" if live else "-",
        f"{median(item.whole for item in items):.1f} s",
        f"{median(item.grown for item in items) / (1 << 20):.1f} MiB",
    ]


if __name__ == "__main__":
    sys.exit(command.run(parser(), measure))
