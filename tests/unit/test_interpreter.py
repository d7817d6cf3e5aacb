"""Which versions of Python an application can run with."""

from __future__ import annotations

import pytest
from packaging.specifiers import SpecifierSet

from groundcrew.remote.interpreter import interpreter_problem, may_satisfy, satisfies

VERSIONS = ("3.9.19", "3.10.0", "3.11.2", "3.12.4", "3.13.0", "3.14.1")


@pytest.mark.parametrize(
    "requires",
    [
        ">=3.11", ">=3.11,<4", "<3.12", "~=3.11", "~=3.11.1", "==3.12.*", "!=3.12.*, >=3.9",
        "==3.11.2", "==3.13", ">3.11", "<=3.12", ">= 3.10 , < 3.14", "",
    ],
)  # fmt: skip
def test_the_same_as_the_standard_says(requires: str) -> None:
    expected = [version for version in VERSIONS if SpecifierSet(requires).contains(version)]
    assert [version for version in VERSIONS if satisfies(version, requires)] == expected


@pytest.mark.parametrize(
    ("wanted", "requires", "installed", "problem"),
    [
        (None, None, "3.11.2", None),
        ("3.12", None, "3.12.4", None),
        ("3.12.4", ">=3.12", "3.12.4", None),
        ("3.1", None, "3.11.2", "needs Python 3.1 (`python`), but the host has 3.11.2"),
        ("3.12", None, None, "Python 3.12 is not there"),
        (None, None, None, "Python is not there"),
        (
            None,
            ">=3.12",
            "3.11.2",
            "its pyproject.toml requires Python >=3.12, but the host has 3.11.2; name a version "
            "that does in `python`",
        ),
        (
            "3.11",
            ">=3.11.4",
            "3.11.2",
            "its pyproject.toml requires Python >=3.11.4, but the host has 3.11.2",
        ),
    ],
)
def test_why_an_interpreter_does_not_do(
    wanted: str | None, requires: str | None, installed: str | None, problem: str | None
) -> None:
    assert interpreter_problem(wanted, requires, installed) == problem


def test_a_version_without_its_last_part_may_be_a_later_one() -> None:
    assert may_satisfy("3.12", ">=3.12.4")
    assert may_satisfy("3.12", "==3.12.*")
    assert not may_satisfy("3.11", ">=3.12")
    assert not may_satisfy("3.12.1", ">=3.12.4")
