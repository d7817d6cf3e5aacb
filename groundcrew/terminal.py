"""The width of printed text."""

from __future__ import annotations

import shutil

PYINFRA_INDENT = 4
"""Width of the indentation of pyinfra's logger."""

WIDEST = 110
"""Wider lines are hard to read."""


def width() -> int:
    """The maximum length of a line in pyinfra's output; without a terminal, as with 80 columns."""
    return max(40, min(shutil.get_terminal_size((80, 24)).columns, WIDEST) - PYINFRA_INDENT)
