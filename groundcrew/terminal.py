"""How wide what is printed may be."""

from __future__ import annotations

import shutil

PYINFRA_INDENT = 4
"""What pyinfra's logger puts before a line."""

WIDEST = 110
"""Wider lines are hard to read."""


def width() -> int:
    """Characters that a line below pyinfra's may have; where there is no terminal, as with 80."""
    return max(40, min(shutil.get_terminal_size((80, 24)).columns, WIDEST) - PYINFRA_INDENT)
