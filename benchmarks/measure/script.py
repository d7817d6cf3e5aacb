"""The baseline: benchmarks/baseline.sh over one SSH session, with the files of a provisioned
host."""

from __future__ import annotations

import io
import re
import shlex
import tarfile
import time
from dataclasses import dataclass, field
from itertools import pairwise

from benchmarks.measure import lab, machine, same
from groundcrew.lab.ssh import ssh_command

ANSWERING = "(until both answer)"
UNPACK = "umask 077; mkdir kit; cd kit; tar -x; exec sh ./baseline.sh"

FILES = """cd / && {
    find etc usr/local/sbin -path '*groundcrew*' ! -type d
    grep -rlI groundcrew etc
    echo etc/issue; echo etc/issue.net
    echo etc/locale.conf; echo etc/default/locale; echo etc/nftables.conf
    find srv -mindepth 1 \\( -path '*/environments/*/venv' -o -path '*/cache/*' \
-o -name __pycache__ -o -name current \\) -prune -o -print
    find srv -name current
} | sort -u | tar --create --no-recursion --files-from=-"""

APPS = "cd /srv && for app in *; do echo $app=$(basename $(readlink $app/current)); done"

PACKAGES = "grep -h ^Commandline: /var/log/apt/history.log | tail -n 1"


@dataclass
class ScriptRun:
    """One run of the script."""

    seconds: float
    busy: float
    steps: dict[str, float] = field(default_factory=dict)
    """Step -> seconds."""


def kit(source: str) -> bytes:
    """The archive that the script runs from, built from the host `source`."""
    parameters = {
        "PACKAGES": packages(lab.as_root(source, PACKAGES).decode()),
        "ADMIN": lab.ADMIN,
        "UV_HOME": lab.as_root(source, "ls -d /opt/groundcrew/uv-*").decode().strip(),
        "APPS": " ".join(lab.as_root(source, APPS).decode().split()),
    }
    text = "".join(f"{key}={shlex.quote(value)}\n" for key, value in parameters.items())
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.add(lab.ROOT / "benchmarks" / "baseline.sh", "baseline.sh")
        _add(tar, "parameters", text.encode())
        tar.add(lab.ROOT / "roles" / "python" / "uv.lock", "uv.lock")
        _add(tar, "files.tar", lab.as_root(source, FILES))
    return archive.getvalue()


def packages(commandline: str) -> str:
    """The packages that apt was asked to install, from a line of its history."""
    words = shlex.split(commandline.split(" install ", 1)[1])
    return " ".join(word for word in words if not word.startswith(("-", "DPkg::")))


def converge(archive: bytes) -> ScriptRun:
    """Sets up the bare host and waits until its applications answer. Raises BenchmarkError."""
    command = ssh_command(lab.address(lab.SCRIPT), "root", [UNPACK])
    used = machine.busy()
    started = time.time()
    output = lab.run(command, archive).stdout.decode()
    finished = time.time()
    same.await_answers(lab.SCRIPT)
    ended = time.time()
    return ScriptRun(ended - started, used, {**steps(output), ANSWERING: ended - finished})


def steps(output: str) -> dict[str, float]:
    """Step -> seconds, from lines with the times at which steps begin."""
    begun = re.findall(r"^step (\d+\.\d+) (.*)$", output, re.MULTILINE)
    return {name: float(end) - float(start) for (start, name), (end, _) in pairwise(begun)}


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(data), 0o600
    tar.addfile(member, io.BytesIO(data))
