"""The operator's editor on a text that no disk should keep."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from groundcrew.settings.encrypted.errors import EncryptedFileError

MEMORY = Path("/dev/shm")  # noqa: S108 - in memory; the directory made in it is private
EDITORS = ("editor", "nano", "vi")
ENDING = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def private_directory() -> Iterator[Path]:
    """A directory for this user alone, in memory where the machine has such a place; removed
    afterwards, also when the terminal is closed."""
    place = MEMORY if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) else None
    before = {number: signal.signal(number, _end) for number in ENDING}
    folder = Path(tempfile.mkdtemp(prefix="groundcrew-", dir=place))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(number: int, frame: object) -> None:
    del frame
    raise SystemExit(128 + number)


def editor() -> list[str]:
    """The command of the editor: VISUAL, EDITOR, or one that the machine has. Raises
    EncryptedFileError."""
    given = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    words = shlex.split(given) if given else [name for name in EDITORS if shutil.which(name)][:1]
    if not words or not shutil.which(words[0]):
        what = f"{words[0]} is not installed" if words else "this machine has no editor"
        raise EncryptedFileError(f"{what}: set EDITOR")
    return words


def edit(file: Path) -> None:
    """Waits until the editor of a file is closed. Raises EncryptedFileError if it fails."""
    words = editor()
    status = subprocess.run([*words, str(file)], check=False).returncode
    if status != 0:
        raise EncryptedFileError(f"{words[0]} ended with exit status {status}; nothing was changed")


def create(file: Path, text: str) -> None:
    """Writes a new file that only this user can read."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
