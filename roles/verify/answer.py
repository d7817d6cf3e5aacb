"""An HTTP response as a client sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from requests.structures import CaseInsensitiveDict


@dataclass(frozen=True)
class Answer:
    """A response, or the reason why there was none."""

    status: int = 0
    headers: Mapping[str, list[str]] = field(default_factory=CaseInsensitiveDict)
    """Name -> all values in the order they came; names are case-insensitive."""

    body: bytes = b""
    error: str | None = None
    closed: bool = False
    """Whether the server accepted the connection and closed it without an answer."""

    def value(self, name: str) -> str | None:
        """The value of a header, or None. Several values are joined with commas, as HTTP
        defines."""
        values = self.headers.get(name)
        return None if values is None else ", ".join(values)

    @property
    def summary(self) -> str:
        """The error or the status, for messages."""
        return self.error or f"status {self.status}"
