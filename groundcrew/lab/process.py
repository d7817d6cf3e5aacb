"""Running programs, progress messages, and the lab's exception."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence

STARTED = time.monotonic()


class LabError(Exception):
    """The lab cannot do what was asked; the message is for the user and needs no traceback."""


def say(message: str) -> None:
    """Print a progress line with the seconds since the program started, to standard error."""
    print(f"[{time.monotonic() - STARTED:5.1f}s] {message}", file=sys.stderr, flush=True)


def tail(text: str, lines: int = 15) -> str:
    """Return the last `lines` non-empty lines of `text`."""
    return "\n".join([line for line in text.splitlines() if line.strip()][-lines:])


def run(
    argv: Sequence[str],
    *,
    timeout: float = 60,
    stdin: str = "",
    env: dict[str, str] | None = None,
    check: bool = True,
) -> subprocess.CompletedProcess[str]:
    """Run a program and capture its output.

    `timeout` is in seconds. Raises `LabError` if the program is missing or takes longer and, with
    `check`, if it exits non-zero.
    """
    command = " ".join(argv[:3])
    try:
        result = subprocess.run(
            argv,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            env=env,
            check=False,
        )
    except FileNotFoundError as error:
        raise LabError(f"`{argv[0]}` is not installed on this machine") from error
    except subprocess.TimeoutExpired as error:
        raise LabError(f"`{command} …` did not end within {timeout:.0f} seconds") from error
    if check and result.returncode != 0:
        raise LabError(
            f"`{command} …` exited {result.returncode}:\n{tail(result.stderr or result.stdout)}"
        )
    return result
