"""Text that others have written, as a terminal may show it.

Part of the programs that import it: it is sent with them. Standard library only, Python 3.9 or
later.
"""

from __future__ import annotations

from typing import Any


def printable(text: str) -> str:
    """The text, in which only newlines and tabs still steer a terminal: every other control
    character, those that turn the direction of writing, and what is no text at all are escapes that
    one can read."""
    if text.isprintable():
        return text
    return "".join(
        character if character in "\n\t" or character.isprintable() else repr(character)[1:-1]
        for character in text
    )


def all_printable(value: Any) -> Any:
    """The same for all text in lists and dictionaries."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        return {all_printable(key): all_printable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [all_printable(item) for item in value]
    return value
