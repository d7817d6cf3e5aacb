"""Closes directories at once.

gevent replaces os.close for pyinfra and closes most descriptors, those of directories too, only
when its loop runs next. What walks a tree without waiting for anything, such as shutil.rmtree, has
all directories of it open until then: more than a thousand are too many where a process may have
1,024 open files.
"""

from __future__ import annotations

import os
import posix
import stat
from collections.abc import Callable

from groundcrew.adapter.patching import expect, replace


def install() -> None:
    """Replaces os.close. Raises UnexpectedPyinfraError if it is not as expected."""
    expect(os, "close", "fd")
    replace(os, "close", _at_once)


def _at_once(close: Callable[[int], None]) -> Callable[[int], None]:
    def closing(fd: int) -> None:
        # Nothing can wait for a directory.
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            posix.close(fd)
        else:
            close(fd)

    return closing
