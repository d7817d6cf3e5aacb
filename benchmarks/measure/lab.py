"""The lab hosts of the benchmarks, and commands on them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from shlex import quote

from groundcrew.lab import hosts
from groundcrew.lab.cli import ssh_command

ROOT = Path(__file__).resolve().parents[2]
GROUNDCREW = "bench-a"
SCRIPT = "bench-b"
ADMIN = "deploy"


class BenchmarkError(Exception):
    """The measurement cannot go on; the message says why."""


def fresh(*names: str, suite: str) -> None:
    """Replaces hosts by bare ones."""
    run(["bin/lab", "reset", "--suite", suite, *names])


def remove(*names: str) -> None:
    """Removes the benchmarks' own hosts: these, where they are there."""
    found = [host.name for host in hosts.existing() if host.name in names]
    if found:
        run(["bin/lab", "down", *found])


def address(name: str) -> str:
    """Where a host is reached."""
    return hosts.find(name).address


def pyinfra(*arguments: str, **environment: str) -> str:
    """What a pyinfra run on the host that groundcrew provisions prints."""
    command = ["pyinfra", "inventory/lab.py", *arguments, "-y", "--limit", GROUNDCREW]
    done = run(command, environment=environment)
    return (done.stdout + done.stderr).decode()


def as_root(name: str, command: str, stdin: bytes = b"") -> bytes:
    """The output of a shell command as root on a host that has been set up."""
    remote = f"sudo -n sh -c {quote(command)}"
    return run(ssh_command(address(name), ADMIN, [remote]), stdin).stdout


def run(
    command: list[str],
    stdin: bytes = b"",
    environment: dict[str, str] | None = None,
    cwd: Path = ROOT,
) -> subprocess.CompletedProcess[bytes]:
    """A finished program. Raises BenchmarkError when it fails."""
    done = subprocess.run(
        command,
        check=False,
        cwd=cwd,
        env={**os.environ, **(environment or {})},
        input=stdin,
        capture_output=True,
    )
    if done.returncode != 0:
        output = (done.stdout + done.stderr).decode(errors="replace")[-4000:]
        raise BenchmarkError(f"{' '.join(command)[:200]} exited {done.returncode}:\n{output}")
    return done
