"""The lab hosts of the benchmarks, and commands on them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from shlex import quote

from groundcrew.lab import hosts
from groundcrew.lab.ssh import ssh_command

ROOT = Path(__file__).resolve().parents[2]
GROUNDCREW = "bench-a"
SCRIPT = "bench-b"
ADMIN = "deploy"


class BenchmarkError(Exception):
    """The benchmark cannot continue; the message says why."""


def fresh(*names: str, suite: str) -> None:
    """Replaces the hosts by bare ones."""
    run(["bin/lab", "reset", "--suite", suite, *names])


def remove(*names: str) -> None:
    """Removes those of the hosts that exist."""
    running = [host.name for host in hosts.existing() if host.name in names]
    if running:
        run(["bin/lab", "down", *running])


def address(name: str) -> str:
    """Address of a host."""
    return hosts.find(name).address


def pyinfra(*arguments: str, **environment: str) -> str:
    """All output of a pyinfra run on the host that groundcrew provisions."""
    command = ["pyinfra", "inventory/lab.py", *arguments, "-y", "--limit", GROUNDCREW]
    done = run(command, environment={"GROUNDCREW_OUTPUT": "verbose", **environment})
    return (done.stdout + done.stderr).decode()


def as_root(name: str, command: str, stdin: bytes = b"") -> bytes:
    """The output of a shell command, run as root on a provisioned host."""
    remote = f"sudo -n sh -c {quote(command)}"
    return run(ssh_command(address(name), ADMIN, [remote]), stdin).stdout


def run(
    command: list[str],
    stdin: bytes = b"",
    environment: dict[str, str] | None = None,
    cwd: Path = ROOT,
) -> subprocess.CompletedProcess[bytes]:
    """Runs a program. Raises BenchmarkError if it fails."""
    done = subprocess.run(
        command,
        check=False,
        cwd=cwd,
        # Let Python write bytecode, as it does by default.
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "", **(environment or {})},
        input=stdin,
        capture_output=True,
    )
    if done.returncode != 0:
        output = (done.stdout + done.stderr).decode(errors="replace")[-20000:]
        raise BenchmarkError(f"{' '.join(command)[:200]} exited {done.returncode}:\n{output}")
    return done
