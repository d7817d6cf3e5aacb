"""Makes what others have written safe to show on a terminal.

Part of the programs that import it: it is sent with them. Standard library only, Python 3.9 or
later.
"""

from __future__ import annotations


def printable(text: str) -> str:
    """The text with control characters, line ends and tabs excepted, as visible escapes."""
    return "".join(
        character if character.isprintable() or character in "\n\t" else repr(character)[1:-1]
        for character in text
    )
