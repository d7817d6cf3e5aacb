"""An HTTP response as a client sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from requests.structures import CaseInsensitiveDict


@dataclass(frozen=True)
class Answer:
    """A response, or why there was none."""

    status: int = 0
    headers: Mapping[str, list[str]] = field(default_factory=CaseInsensitiveDict)
    """Every value that a name came with, in order; names without regard to case."""

    body: bytes = b""
    error: str | None = None
    closed: bool = False
    """The server took the connection and closed it without an answer."""

    def value(self, name: str) -> str | None:
        """A header's value, or None; several are joined as the standard says."""
        values = self.headers.get(name)
        return None if values is None else ", ".join(values)

    @property
    def summary(self) -> str:
        """In a few words."""
        return self.error or f"status {self.status}"
