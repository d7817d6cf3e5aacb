"""The lines of the checklists, from `lines.yml`."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import yaml
from pydantic import model_validator

from groundcrew.model import Settings

FILE = Path(__file__).with_name("lines.yml")


class Line(Settings):
    """What decides a line."""

    checks: tuple[str, ...] = ()
    """`SOURCE: PATTERN`: checks of a source by their names; `*` stands for any text."""

    absent: str | None = None
    """Why there may be none of these checks."""

    required: bool = False
    """Whether the line fails if there are none."""

    by_hand: str | None = None
    """What no check can judge."""

    @model_validator(mode="after")
    def _is_decided(self) -> Line:
        if not (self.checks or self.by_hand):
            raise ValueError("needs checks or by_hand")
        return self


@cache
def checklists() -> dict[str, dict[str, Line]]:
    """List -> line's text -> what decides it, in order."""
    data = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return {
        title: {text: Line.model_validate(item) for text, item in lines.items()}
        for title, lines in data.items()
    }
