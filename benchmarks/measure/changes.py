"""What a release costs by what has changed: see benchmarks/README.md."""

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
"""A requirement that is small, in the version before the one that is locked."""


@dataclass(frozen=True)
class Kind:
    """An application: what it adds to the example, in lines of requirements and in settings."""

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
CHANGES = ("changed line", "changed setting", "changed requirement", "rollback", "no-op")


@dataclass(frozen=True)
class Figure:
    """One run: seconds until the release was live and in all, and bytes that /srv grew by."""

    live: float | None
    whole: float
    grown: int


@dataclass
class Application:
    """The application of one kind as it is at the moment."""

    kind: Kind
    source: Path
    timeout: int = 30

    def write(self, number: int, *more: str) -> None:
        """Its changed line, and its requirements."""
        (self.source / "release.txt").write_text(f"release {number}\n")
        lines = ["flask==3.1.3", "gunicorn", *self.kind.requirements, *more]
        (self.source / "requirements.txt").write_text("\n".join(lines) + "\n")

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "source": {"directory": str(self.source)},
            "health": {"timeout": self.timeout},
            **(self.kind.settings or {}),
        }


Figures = dict[str, dict[str, dict[str, list[Figure]]]]
"""By application, version, and what has changed."""


def parser() -> argparse.ArgumentParser:
    """The options."""
    top = command.parser(
        "benchmarks/changes",
        "What a release costs by what has changed, for three applications, on a lab host of its "
        f"own ({HOST}); with --before, the same with another version of groundcrew, in turn.",
    )
    top.add_argument("--before", metavar="COMMIT", help="another version, to compare with")
    top.add_argument("--repeat", type=int, default=3, help="releases of a changed line and setting")
    top.add_argument("--hosts", type=int, help="a changed line on so many hosts, and nothing else")
    top.add_argument("--kinds", type=int, default=len(KINDS), help="only the first so many")
    return top


@contextmanager
def checkouts(before: str | None) -> Iterator[dict[str, Path]]:
    """The versions that are measured, each with a checkout."""
    found = {HERE: lab.ROOT}
    if before is None:
        yield found
        return
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "before"
        lab.run(["git", "worktree", "add", "--detach", str(tree), before])
        try:
            yield {before[:7]: tree, **found}
        finally:
            lab.run(["git", "worktree", "remove", "--force", str(tree)])


@dataclass(frozen=True)
class Version:
    """A checkout of groundcrew with its own lab host."""

    root: Path

    @property
    def environment(self) -> dict[str, str]:
        """Each imports its own modules."""
        return {"PYTHONPATH": str(self.root)}

    def lab(self, *arguments: str) -> None:
        """bin/lab of that checkout."""
        lab.run(["bin/lab", *arguments], environment=self.environment, cwd=self.root)

    def pyinfra(self, app: Application, playbook: str, *arguments: str) -> float:
        """The seconds of a run."""
        pyinfra = str(self.root / ".venv" / "bin" / "pyinfra")
        command = [pyinfra, "inventory/lab.py", playbook, "-y", "--limit", f"{HOST}*"]
        command += ["--data", f'apps=["{APP}"]', "--data", f"app={json.dumps({APP: app.settings})}"]
        began = time.time()
        lab.run([*command, *arguments], environment=self.environment, cwd=self.root)
        return time.time() - began

    def ask(self, text: str, host: str = HOST) -> list[float]:
        """Numbers that shell prints as root on a host."""
        done = lab.run(
            ["bin/lab", "ssh", "--user", lab.ADMIN, host, "sudo", "-n", "sh", "-c", f"'{text}'"],
            environment=self.environment,
            cwd=self.root,
        )
        return [float(word) for word in done.stdout.decode().split()]

    def switched(self, host: str = HOST) -> float:
        """When the host got the release that is live, in Unix time."""
        # The link by that nginx finds it; where that is depends on the version.
        links = f"/run/groundcrew/nginx/{APP}/current.sock /run/{APP}/current.sock"
        return self.ask(f"stat -c %.Y {links} 2>/dev/null | tail -n 1", host)[0]

    def measured(self, app: Application, playbook: str, *arguments: str) -> Figure:
        """One run, looked at on the host."""
        size = f"du -s --block-size=1 /srv/{APP} | cut -f1"
        [before] = self.ask(size)
        began = time.time()
        whole = self.pyinfra(app, playbook, *arguments)
        [after] = self.ask(size)
        switched = self.switched()
        live = switched - began if switched > began else None
        return Figure(live, whole, int(after - before))


def measure_kind(version: Version, kind: Kind, repeat: int) -> dict[str, list[Figure]]:
    """The figures of one kind with one version, by what has changed."""
    found: dict[str, list[Figure]] = {change: [] for change in CHANGES}
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / APP
        shutil.copytree(lab.ROOT / "examples" / APP, source)
        app = Application(kind, source)
        app.write(0)
        version.pyinfra(app, "deploy.py")
        for number in range(1, repeat + 1):
            app.write(number)
            found["changed line"].append(version.measured(app, "playbooks/release.py"))
        for _ in range(repeat):
            app.timeout += 1
            found["changed setting"].append(version.measured(app, "playbooks/release.py"))
        app.write(repeat, SMALL)
        found["changed requirement"].append(version.measured(app, "playbooks/release.py"))
        found["no-op"] += [version.measured(app, "deploy.py") for _ in range(repeat)]
        rollback = ("playbooks/rollback.py", "--data", f"app={APP}")
        found["rollback"].append(version.measured(replace(app), *rollback))
    return found


def measure_hosts(version: Version, hosts: Sequence[str], repeat: int) -> list[Figure]:
    """A changed line of the tiny application on several hosts: live on the last of them."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / APP
        shutil.copytree(lab.ROOT / "examples" / APP, source)
        app = Application(KINDS[0], source)
        for number in range(repeat + 1):
            app.write(number)
            began = time.time()
            whole = version.pyinfra(app, "playbooks/release.py" if number else "deploy.py")
            if number:
                live = max(version.switched(host) for host in hosts) - began
                found.append(Figure(live, whole, 0))
    return found


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Measures everything and prints it. Raises BenchmarkError."""
    about = machine.describe()
    print(", ".join(f"{key} {value}" for key, value in about.items()))
    figures: Figures = {}
    hosts = [f"{HOST}-{number}" for number in range(1, options.hosts + 1)] if options.hosts else []
    with checkouts(options.before) as trees:
        versions = {name: Version(root) for name, root in trees.items()}
        for name, version in versions.items() if hosts else ():
            say(f"{len(hosts)} hosts: {name}")
            version.lab("reset", "--suite", options.suite, *hosts)
            found = {CHANGES[0]: measure_hosts(version, hosts, options.repeat)}
            figures.setdefault(f"tiny, {len(hosts)} hosts", {})[name] = found
            version.lab("down", *hosts)
        for kind in KINDS[: 0 if hosts else options.kinds]:
            for name, version in versions.items():
                say(f"{kind.title}: {name}")
                version.lab("reset", "--suite", options.suite, HOST)
                of_kind = measure_kind(version, kind, options.repeat)
                figures.setdefault(kind.title, {})[name] = of_kind
                version.lab("down", HOST)
    for line in lines(figures):
        print(line)
    return {
        "machine": about,
        "figures": {
            kind: {
                name: {change: [asdict(item) for item in items] for change, items in found.items()}
                for name, found in by_version.items()
            }
            for kind, by_version in figures.items()
        },
        command.PROBLEMS: [],
    }


def lines(figures: Mapping[str, Mapping[str, Mapping[str, Sequence[Figure]]]]) -> Iterator[str]:
    """A table in Markdown: medians, one column group for each version."""
    names = list(dict.fromkeys(name for found in figures.values() for name in found))
    cells = [f"{name}: {title}" for name in names for title in ("live", "in all", "disk")]
    yield ""
    yield f"| application | what changed | {' | '.join(cells)} |"
    yield f"| --- | --- |{' ---: |' * len(cells)}"
    for kind, by_version in figures.items():
        for change in [item for item in CHANGES if all(item in by_version[name] for name in names)]:
            row = [cell for name in names for cell in shown(by_version[name][change])]
            yield f"| {kind} | {change} | {' | '.join(row)} |"


def shown(items: Sequence[Figure]) -> list[str]:
    """The medians of runs: seconds until live, in all, and MiB that /srv grew by."""
    live = [item.live for item in items if item.live is not None]
    return [
        f"{median(live):.1f} s" if live else "-",
        f"{median(item.whole for item in items):.1f} s",
        f"{median(item.grown for item in items) / (1 << 20):.1f} MiB",
    ]


if __name__ == "__main__":
    sys.exit(command.run(parser(), measure))
