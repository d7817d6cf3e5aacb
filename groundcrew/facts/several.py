"""What programs that work on several applications report."""

from __future__ import annotations

from typing import TypedDict


class FailedNames(TypedDict):
    """The last line of `groundcrew/remote/several.py`: names of the applications that failed."""

    failed: list[str]
