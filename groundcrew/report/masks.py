"""Takes the operator's secrets out of a report, wherever a program on a host may have printed them.

Nothing that groundcrew itself prints has them. An application's error can.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any
from urllib.parse import unquote, urlsplit

from groundcrew.remote.printable import printable
from groundcrew.settings.load import Loaded

HIDDEN = "******"
SHORTEST = 4
"""Characters of a secret: a shorter one would hide parts of other words."""

LONGEST = 2000
"""Characters of one text."""

WORDS = frozenset({"format", "outcome", "result", "status"})
"""Keys whose values are groundcrew's own words."""


def secrets(loaded: Iterable[Loaded[Any]]) -> set[str]:
    """Every secret that the run has read, and what it is made of."""
    return {word for item in loaded for value in item.all_secrets for word in words_of(value)}


def words_of(secret: str) -> set[str]:
    """A secret, each of its lines, and the password of a URL, as it is written and as it is
    meant."""
    try:
        password = urlsplit(secret).password or ""
    except ValueError:
        password = ""
    words = {secret, *secret.splitlines(), password, unquote(password)}
    return {word for word in words if len(word) >= SHORTEST}


def without(text: str, hidden: Collection[str]) -> str:
    """The text with these words hidden."""
    # The longest first: one may be part of another.
    for word in sorted(hidden, key=len, reverse=True):
        text = text.replace(word, HIDDEN)
    return text


def masked(value: Any, hidden: Collection[str]) -> Any:
    """The data without these words in any text, and without control characters; long texts are
    shortened."""

    def clean(item: Any) -> Any:
        if isinstance(item, str):
            item = printable(without(item, hidden))
            return item if len(item) <= LONGEST else f"{item[:LONGEST]} ..."
        if isinstance(item, dict):
            return {key: part if key in WORDS else clean(part) for key, part in item.items()}
        if isinstance(item, list):
            return [clean(part) for part in item]
        return item

    return clean(value)
