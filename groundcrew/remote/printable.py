"""Makes foreign text safe to show on a terminal.

A library, sent to the host with the programs that import it. Standard library only, Python 3.9 or
later.
"""

from __future__ import annotations

from typing import Any


def printable(text: str) -> str:
    """The text with every control character escaped except newlines and tabs, as well as characters
    that change the writing direction and undecodable bytes."""
    if text.isprintable():
        return text
    return "".join(
        character if character in "\n\t" or character.isprintable() else repr(character)[1:-1]
        for character in text
    )


def all_printable(value: Any) -> Any:
    """The value with `printable` applied to all text in lists and dictionaries."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        return {all_printable(key): all_printable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [all_printable(item) for item in value]
    return value
