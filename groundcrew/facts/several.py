"""What programs that work on several things report."""

from __future__ import annotations

from typing import TypedDict


class FailedNames(TypedDict):
    """The last line of `groundcrew/remote/several.py`: names of the applications that failed."""

    failed: list[str]


class ReadAnswer(TypedDict):
    """What one of the programs that `groundcrew/remote/read_several.py` runs has printed, and its
    exit status: -1 if a signal has ended it."""

    status: int
    output: str
