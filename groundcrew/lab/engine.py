"""The Docker Engine: uses a running one, or installs and starts one if possible."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

from groundcrew.lab import debian
from groundcrew.lab.checkout import state_directory
from groundcrew.lab.process import LabError, run, say, tail
from groundcrew.project import program

START_SECONDS = 60
# The PATH of root's login shell may lack the directories of dockerd and iptables.
SYSTEM_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])
LEGACY_IPTABLES = Path("/usr/sbin/iptables-legacy")


def docker(
    *arguments: str, timeout: float = 60, stdin: str = "", check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run one `docker` command; `timeout` is in seconds. Raises `LabError` as `run` does."""
    return run(["docker", *arguments], timeout=timeout, stdin=stdin, check=check)


def answers() -> bool:
    """Tell whether a Docker Engine answers."""
    if shutil.which("docker") is None:
        return False
    try:
        return docker("version", "--format", "{{.Server.Version}}", timeout=20).returncode == 0
    except LabError:
        return False


def ensure() -> None:
    """Make sure an engine answers; on Debian as root, install and start it.

    Raises `LabError`, which says what is missing.
    """
    if answers():
        return
    if os.environ.get("DOCKER_HOST"):
        raise LabError(f"no Docker Engine answers at DOCKER_HOST={os.environ['DOCKER_HOST']}")
    if not debian.can_install():
        raise LabError(_what_is_missing())
    if shutil.which("dockerd", path=SYSTEM_PATH) is None:
        debian.install(["docker.io", "iptables"], "the lab runs its hosts in Docker Engine")
    if shutil.which("docker") is None:
        # Since Debian 13 the command line client is a separate package.
        debian.install(["docker-cli"], "the Docker command line client")
    if answers():
        return
    if Path("/run/systemd/system").is_dir():
        say("starting Docker Engine (systemctl start docker)")
        run(["systemctl", "start", "docker"], timeout=120)
        if not answers():
            raise LabError("docker.service runs, but no Docker Engine answers")
    else:
        _start_in_background()


def _what_is_missing() -> str:
    if shutil.which("docker") is None:
        return (
            "no Docker Engine: `docker` is not installed. Install Docker Engine, or run this as "
            f"root on Debian, where {program('lab')} installs it by itself"
        )
    reason = docker("version", "--format", "{{.Server.Version}}", timeout=20, check=False)
    return (
        f"no Docker Engine answers: {tail(reason.stderr, 1)}\n"
        "Start it, or let your user reach it (group `docker`), or run this as root on Debian"
    )


def _start_in_background() -> None:
    """Start dockerd as a process that keeps running after `bin/lab` ends."""
    log = state_directory() / "dockerd.log"
    say(f"starting Docker Engine in the background (log: {log})")
    problem = _start_dockerd(log, SYSTEM_PATH)
    if problem and "iptables" in problem and LEGACY_IPTABLES.exists():
        # Kernels without NAT in nf_tables may still have the legacy interface.
        say("dockerd cannot use iptables; trying again with iptables-legacy")
        problem = _start_dockerd(log, f"{_legacy_iptables_directory()}{os.pathsep}{SYSTEM_PATH}")
    if problem:
        raise LabError(f"dockerd does not start; the end of {log}:\n{problem}")


def _legacy_iptables_directory() -> Path:
    """Return a directory whose `iptables` is the legacy one, without changing the machine's own."""
    directory = state_directory() / "iptables-legacy"
    directory.mkdir(exist_ok=True)
    for name in ("iptables", "ip6tables"):
        link = directory / name
        link.unlink(missing_ok=True)
        link.symlink_to(LEGACY_IPTABLES.with_name(f"{name}-legacy"))
    return directory


def _start_dockerd(log: Path, path: str) -> str:
    """Start dockerd and wait until it answers. Return the end of its log if it fails, else an empty
    text."""
    dockerd = shutil.which("dockerd", path=path) or "dockerd"
    with log.open("w") as output:
        process = subprocess.Popen(
            [dockerd],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env=os.environ | {"PATH": path},
            cwd="/",
        )
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if answers():
            return ""
        if process.poll() is not None:
            return tail(log.read_text())
        time.sleep(0.3)
    process.terminate()
    process.wait()
    return tail(log.read_text()) + f"\n(no answer within {START_SECONDS} seconds)"
