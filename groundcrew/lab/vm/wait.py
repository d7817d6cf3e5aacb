"""Waiting for a machine: for its first boot, and until a user can log in."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator

from groundcrew.lab.model import ADMIN
from groundcrew.lab.process import LabError, say, tail
from groundcrew.lab.ssh import ssh_command
from groundcrew.lab.vm import power
from groundcrew.lab.vm.files import Files
from groundcrew.lab.vm.model import LOOPBACK, Machine
from groundcrew.lab.vm.seed import USER, reported_keys

# Enough for an emulated processor on a busy machine.
BOOT_SECONDS = 900
SAY_EVERY = 15
LOGIN_SECONDS = 30
ASK_SECONDS = 60
# The status of cloud-init is ignored: it is 2 even after a mere warning.
SETTLED = "sudo cloud-init status --wait >/dev/null; systemctl is-system-running --wait"
STATES = ("running", "degraded")


def first_boot(machine: Machine, files: Files) -> list[str]:
    """Wait until cloud-init has finished the first boot. Return the SSH host keys."""
    for _ in _seconds(machine, files, "its first boot"):
        text = files.report.read_text(errors="replace") if files.report.exists() else ""
        keys = reported_keys(text)
        if keys:
            return keys
    raise AssertionError("unreachable")


def settled(machine: Machine, files: Files, users: tuple[str, ...]) -> str:
    """Wait until one of `users` can log in and the boot has ended. Return systemd's state."""
    for left in _seconds(machine, files, "its SSH server"):
        for user in users:
            state = _ask(machine, user, SETTLED, min(left, ASK_SECONDS))
            if state in STATES:
                return state
    raise AssertionError("unreachable")


def login_user(machine: Machine) -> str:
    """Return the user to log in as: the admin user, unless the machine is bare."""
    return ADMIN if _ask(machine, ADMIN, "echo yes", LOGIN_SECONDS) == "yes" else USER


def _ask(machine: Machine, user: str, command: str, seconds: float) -> str:
    """Return the last line of a command's output, empty if the login fails."""
    options = {"BatchMode": "yes", "ConnectTimeout": str(LOGIN_SECONDS)}
    argv = ssh_command(LOOPBACK, user, [command], machine.ssh_port, options)
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return ""
    return tail(done.stdout, 1).strip()


def _seconds(machine: Machine, files: Files, what: str) -> Iterator[float]:
    """Yield the seconds left, twice a second, with a progress message now and then.

    Raises `LabError` if QEMU ends or the time is up.
    """
    started = time.monotonic()
    said = 0
    while (passed := time.monotonic() - started) < BOOT_SECONDS:
        if power.running(files) is None:
            raise LabError(f"{machine.name}: QEMU has ended\n{_last_words(files)}")
        yield BOOT_SECONDS - passed
        if passed // SAY_EVERY > said:
            said = int(passed // SAY_EVERY)
            say(f"{machine.name}: waiting for {what} ({passed:.0f} s)")
        time.sleep(0.5)
    raise LabError(
        f"{machine.name}: waited {BOOT_SECONDS} s for {what}; the end of {files.console}:\n"
        f"{_last_words(files)}"
    )


def _last_words(files: Files) -> str:
    texts = [
        path.read_text(errors="replace") for path in (files.log, files.console) if path.exists()
    ]
    return tail("\n".join(texts))
