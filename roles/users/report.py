"""What `on_host.py` reports."""

from __future__ import annotations

from typing import TypedDict


class Sudo(TypedDict):
    """Exit status and output of `visudo --check`; user -> whether sudo lets them run something."""

    code: int
    output: str
    may: dict[str, bool]
