"""Environment variables as text, and as a file for systemd.

That systemd hands every value on unchanged is tested on real hosts, in tests/e2e.
"""

from __future__ import annotations

import re

import pytest
from pydantic import SecretStr

from groundcrew.releases.environment import render, values
from tests.environment_values import VALUES

# systemd.exec(5), EnvironmentFile=: inside double quotes a backslash before one of these is
# dropped, any other is kept, and line breaks are part of the value.
_ASSIGNMENT = re.compile(r'([A-Z_0-9]+)="((?:[^"\\]|\\.)*)"\n', re.DOTALL)


def read(text: str) -> dict[str, str]:
    """The file as systemd reads it."""
    assert _ASSIGNMENT.sub("", text) == ""
    return {name: re.sub(r'\\(["\\`$])', r"\1", value) for name, value in _ASSIGNMENT.findall(text)}


def test_every_value_comes_back_as_it_was() -> None:
    assert read(render(VALUES)) == VALUES


def test_variables_are_sorted_and_quoted() -> None:
    assert render({"B": "2", "A": 'a "b" $c `d` \\e'}) == (
        'A="a \\"b\\" \\$c \\`d\\` \\\\e"\nB="2"\n'
    )
    assert render({}) == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("text", "text"),
        ("", ""),
        (True, "true"),
        (False, "false"),
        (3, "3"),
        (0.5, "0.5"),
        (["a", 1], '["a", 1]'),
        ({"é": None}, '{"é": null}'),
    ],
)
def test_values_become_text(value: object, text: str) -> None:
    assert values({"KEY": value}, {}) == {"KEY": text}


def test_null_leaves_a_variable_out_and_secrets_are_added() -> None:
    assert values({"A": None, "B": "1"}, {"C": SecretStr("x")}) == {"B": "1", "C": "x"}
