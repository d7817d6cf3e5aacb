"""What others have written does not steer the operator's terminal."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from click import unstyle

from groundcrew.entries import File
from groundcrew.operations.files import differing_lines
from groundcrew.remote.printable import all_printable, printable
from tests.unit.test_apply_files import apply, file


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, ä, 漢, 🙂\n\tand lines", "plain, ä, 漢, 🙂\n\tand lines"),
        ("\x1b[2J\x1b]0;title\x07", "\\x1b[2J\\x1b]0;title\\x07"),
        ("over\rwritten\x08\x7f\x00", "over\\rwritten\\x08\\x7f\\x00"),
        ("\x9b31m\x85", "\\x9b31m\\x85"),
        ("\u202egnp.exe\u2066\u200f\u2028", "\\u202egnp.exe\\u2066\\u200f\\u2028"),
        ("\udc9b", "\\udc9b"),
        ("C:\\x1b", "C:\\x1b"),
    ],
)
def test_only_lines_and_tabs_stay(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_all_text_of_a_report() -> None:
    report = {"\x1b": ["\x07", 1, None, True, 1.5, {"a": "b\x1b"}], "c": "d"}
    shown = {"\\x1b": ["\\x07", 1, None, True, 1.5, {"a": "b\\x1b"}], "c": "d"}
    assert all_printable(report) == shown


def test_a_difference_shows_what_was_there() -> None:
    there = base64.b64encode(b"old\x1b[2J\n").decode()
    lines = [*differing_lines(File("/a", "new\n"), {"kind": "file", "content": there})]
    assert "- old\\x1b[2J" in [unstyle(line).rstrip() for line in lines]
    assert not any("\x1b[2J" in line for line in lines)


def test_a_validator_that_quotes(tmp_path: Path) -> None:
    done = apply(file(tmp_path / "a", "x"), validate="printf '\\033[2J'; false")
    assert "\\x1b[2J" in done.stderr
    assert "\x1b" not in done.stderr
