"""Runs other programs of the host."""

from __future__ import annotations

import os
import selectors
import subprocess
import threading
import time
from collections.abc import Sequence

COMMAND_TIMEOUT = 60
TIED = ("/usr/bin/setpriv", "--pdeathsig", "KILL", "--")
"""Beginning of a command that ends with this program, even if that is killed: otherwise it would go
on writing while the next one begins."""


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Runs a command with English messages; captures its exit status and output."""
    return subprocess.run(
        command,
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=COMMAND_TIMEOUT,
        env={**os.environ, "LC_ALL": "C", "SYSTEMD_COLORS": "0"},
    )


class TooMuchError(Exception):
    """A command printed more than it may."""


def bounded(
    command: Sequence[str], most: int, seconds: float
) -> subprocess.CompletedProcess[bytes]:
    """Runs a command that nobody trusts. Raises TooMuchError if it prints more than `most` bytes on
    its output or as errors, and TimeoutExpired; it is killed then."""
    deadline = time.monotonic() + seconds
    streams: dict[str, bytearray] = {"output": bytearray(), "errors": bytearray()}
    with (
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            cwd="/",
        ) as process,
        selectors.DefaultSelector() as selector,
    ):  # fmt: skip
        assert process.stdout
        assert process.stderr
        selector.register(process.stdout, selectors.EVENT_READ, "output")
        selector.register(process.stderr, selectors.EVENT_READ, "errors")
        try:
            while selector.get_map():
                for key, _ in selector.select(max(0.0, deadline - time.monotonic())):
                    piece = os.read(key.fd, 1 << 16)
                    streams[key.data] += piece
                    if not piece:
                        selector.unregister(key.fileobj)
                    if len(streams[key.data]) > most:
                        raise TooMuchError(f"{command[0]} prints more than {most} bytes")
                if time.monotonic() > deadline:
                    raise subprocess.TimeoutExpired(command, seconds)
            process.wait(max(0.0, deadline - time.monotonic()))
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(
        command, process.returncode, bytes(streams["output"]), bytes(streams["errors"])
    )


def ending(
    command: Sequence[str],
    most: int = 1 << 18,
    seconds: float = COMMAND_TIMEOUT,
    errors: int = subprocess.DEVNULL,
) -> str:
    """The last `most` bytes that a command prints, with English messages. No more is kept: a
    single entry of an application in the journal may have hundreds of megabytes. After `seconds`
    it is killed, and what it has printed counts. `errors` is where its errors go."""
    kept = bytearray()
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors,
        env={**os.environ, "LC_ALL": "C", "SYSTEMD_COLORS": "0"},
    ) as process:  # fmt: skip
        assert process.stdout
        late = threading.Timer(seconds, process.kill)
        late.start()
        try:
            while piece := process.stdout.read(1 << 16):
                kept += piece
                if len(kept) > 2 * most:
                    del kept[:-most]
        finally:
            late.cancel()
    return bytes(kept[-most:]).decode(errors="replace")


def last_line(text: str) -> str:
    """The last line of a program's output, which says what went wrong."""
    lines = text.strip().splitlines()
    return lines[-1] if lines else ""
