"""The width of printed text: of lines, and of characters on them."""

from __future__ import annotations

import shutil
import unicodedata
from collections.abc import Iterable

PYINFRA_INDENT = 4
"""Width of the indentation of pyinfra's logger."""

WIDEST = 110
"""Wider lines are hard to read."""

CUT = "..."


def width() -> int:
    """The maximum length of a line in pyinfra's output; without a terminal, as with 80 columns."""
    return max(40, min(shutil.get_terminal_size((80, 24)).columns, WIDEST) - PYINFRA_INDENT)


def line_width() -> int:
    """The maximum length of a whole line; without a terminal, as with 80 columns."""
    return width() + PYINFRA_INDENT


def cells(text: str) -> int:
    """The columns that a text without control characters takes on a terminal: two for each wide
    character, such as Chinese ones, and none for marks that are put on the one before."""
    if text.isascii():
        return len(text)
    return sum(_cells(character) for character in text)


def _cells(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def padded(text: str, columns: int, *, right: bool = False) -> str:
    """The text with spaces behind it, or before it with `right`, so that it takes so many
    columns."""
    spaces = " " * (columns - cells(text))
    return spaces + text if right else text + spaces


def shortened(text: str, columns: int) -> str:
    """The text, cut to so many columns; the end of a cut one is `...`."""
    if cells(text) <= columns:
        return text
    room = max(columns - len(CUT), 0)
    while cells(text) > room:
        text = text[:-1]
    return (text + CUT)[: max(columns, 0)]


def folded(words: Iterable[str], columns: int, indent: int = 0) -> str:
    """The words with spaces between them, in lines of so many columns. All lines but the first are
    indented; a word that is too long for a line has one of its own."""
    lines: list[str] = []
    room = columns - indent
    for word in words:
        if lines and cells(lines[-1]) + 1 + cells(word) <= room:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return f"\n{' ' * indent}".join(lines)
