"""The QEMU process of a machine, always identified by its PID, never by name."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from groundcrew.lab.process import LabError, tail
from groundcrew.lab.vm.files import Files

EARLY_SECONDS = 1.0
END_SECONDS = 20


def running(files: Files, processes: Path = Path("/proc")) -> int | None:
    """Return the PID of the machine's process, None if it does not run.

    The recorded PID may have been reused: the process must have this machine's files among its
    arguments.
    """
    try:
        pid = int(files.pid.read_text())
        arguments = (processes / str(pid) / "cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    mine = os.fsencode(f"file:{files.console}")
    return pid if mine in arguments else None


def switch_on(files: Files, command: Sequence[str]) -> None:
    """Start the machine, which keeps running after this program ends. Raises `LabError`."""
    files.report.unlink(missing_ok=True)
    with files.log.open("w") as output:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                cwd="/",
            )
        except OSError as error:
            raise LabError(f"QEMU cannot be started: {error}") from error
    files.pid.write_text(f"{process.pid}\n")
    # QEMU reports errors in its command line or ports at once.
    with suppress(subprocess.TimeoutExpired):
        process.wait(EARLY_SECONDS)
        raise LabError(f"QEMU ended at once; {files.log} says:\n{tail(files.log.read_text())}")


def switch_off(files: Files) -> None:
    """Kill the process, which for the machine is a power cut."""
    pid = running(files)
    if pid is not None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + END_SECONDS
        while running(files) is not None:
            if time.monotonic() > deadline:
                raise LabError(f"the process {pid} does not end")
            time.sleep(0.05)
    files.pid.unlink(missing_ok=True)
