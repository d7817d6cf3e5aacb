"""Applications that an operator has stopped."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import TypedDict

from pyinfra.api import FactBase


class StoppedNote(TypedDict):
    """Which operator has stopped an application, and when."""

    operator: str
    since: str


class Stopped(FactBase[dict[str, StoppedNote]]):
    """Application -> who has stopped it. `flags` are the files that say so, by application."""

    def command(self, flags: Mapping[str, str]) -> str:
        """A shell command that prints a line for each file that exists."""
        looks = [
            f"if [ -f {shlex.quote(path)} ]; then printf '%s ' {shlex.quote(name)}; "
            f"head -n 1 {shlex.quote(path)}; fi"
            for name, path in sorted(flags.items())
        ]
        return "; ".join([*looks, "true"])

    def process(self, output: list[str]) -> dict[str, StoppedNote]:
        """The notes by application."""
        notes: dict[str, StoppedNote] = {}
        for line in output:
            name, _, text = line.partition(" ")
            try:
                note = json.loads(text)
                notes[name] = {"operator": str(note["operator"]), "since": str(note["since"])}
            except (ValueError, KeyError, TypeError):
                notes[name] = {"operator": "?", "since": "?"}
        return notes
