"""Runs a program on a terminal of its own."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path


def printed(words: Sequence[str], folder: Path, **environment: str) -> tuple[int, str]:
    """The exit status and all that the program prints on a terminal of 80 columns."""
    return on_terminal(words, folder, 80, environment)


def on_terminal(
    words: Sequence[str], folder: Path, columns: int, environment: Mapping[str, str]
) -> tuple[int, str]:
    """The exit status and all that the program prints on a terminal of so many columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    given = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "NO_COLOR")}
    run = subprocess.Popen(
        list(words),
        cwd=folder,
        env={**given, "TERM": "xterm", **environment},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    read = b""
    ended = False
    while not ended:
        ended = run.poll() is not None
        with suppress(OSError):
            while select.select([ours], [], [], 0.1)[0]:
                read += os.read(ours, 65536)
    os.close(ours)
    return run.returncode, read.decode()
