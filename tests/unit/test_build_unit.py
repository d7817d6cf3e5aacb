"""What is shown of what a build prints."""

from __future__ import annotations

import io

import pytest

from groundcrew.remote.build_unit import LINE, MASK, _forms, _pass_on

SECRETS = ("s3cret/value", "two\nlines of it", "abc")


def shown(text: str) -> str:
    target = io.StringIO()
    _pass_on(io.StringIO(text), target, _forms(SECRETS))
    return target.getvalue()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("token s3cret/value!\n", f"token {MASK}!\n"),
        ("http://bot:s3cret%2Fvalue@x/\n", f"http://bot:{MASK}@x/\n"),
        ("lines of it\n", f"{MASK}\n"),
        # Too short to be one.
        ("abcdef\n", "abcdef\n"),
        ("no end s3cret/value", f"no end {MASK}\n"),
    ],
)
def test_secrets_are_not_shown(text: str, expected: str) -> None:
    assert shown(text) == expected


def test_nor_where_a_long_line_is_cut() -> None:
    for before in range(LINE - len(SECRETS[0]) - 2, LINE + 2):
        text = shown("x" * before + SECRETS[0] + "y" * 10 + "\n").replace("\n", "")
        assert text == "x" * before + MASK + "y" * 10
