"""docs/coverage.md is complete, and names only what exists."""

from __future__ import annotations

import ast
import re
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from groundcrew.fields import known_keys
from groundcrew.roles.settings import HostSettings

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs/coverage.md").read_text(encoding="utf-8")
IDS = {"C": 11, "M": 5, "R": 28, "O": 43, "A": 43, "L": 38, "G": 30, "T": 9, "S": 22}
STATES = ("done", "open", "outside")


@dataclass(frozen=True)
class Row:
    """One need; `named` are its settings and commands."""

    id: str
    need: str
    named: list[str]
    tests: list[str]
    state: str

    @property
    def kind(self) -> str:
        """The first word of the state."""
        return self.state.partition(":")[0]


def _row(line: str) -> Row:
    id_, need, named, tests, state = [cell.strip() for cell in line.strip("|\n").split("|")]
    return Row(id_, need, re.findall("`([^`]+)`", named), re.findall("`([^`]+)`", tests), state)


ROWS = [_row(line) for line in TEXT.splitlines() if re.match(r"\| [A-Z]\d+ \|", line)]


@cache
def functions(path: str) -> set[str]:
    """Names of the tests in a file; none where there is no file."""
    file = ROOT / "tests" / path
    tree = ast.parse(file.read_text(encoding="utf-8") if file.is_file() else "")
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def is_setting(key: str) -> bool:
    *path, last = key.split(".")
    return last in known_keys(HostSettings, path)


def test_every_need_is_there_once_and_in_order() -> None:
    wanted = [f"{letter}{n}" for letter, count in IDS.items() for n in range(1, count + 1)]
    assert [row.id for row in ROWS] == wanted


def test_every_setting_and_command_exists() -> None:
    unknown = [
        f"{row.id}: {name}"
        for row in ROWS
        for name in row.named
        if not is_setting(name) and not (ROOT / name).is_file()
    ]
    assert unknown == []


def test_every_test_exists() -> None:
    missing = [
        f"{row.id}: {test}"
        for row in ROWS
        for test in row.tests
        if test.partition("::")[2] not in functions(test.partition("::")[0])
    ]
    assert missing == []


def test_what_is_done_has_a_test_and_the_rest_a_reason() -> None:
    unfounded = [
        row.id
        for row in ROWS
        if not (row.tests if row.state == "done" else re.match("(open|outside): .", row.state))
    ]
    assert unfounded == []


def test_the_counts_are_right() -> None:
    sections = [(letter, [row for row in ROWS if row.id[0] == letter]) for letter in IDS]
    titles = dict(re.findall(r"^## ([A-Z]): (.+)$", TEXT, re.MULTILINE))
    for name, rows in [*((f"{key}: {titles[key]}", kind_rows) for key, kind_rows in sections),
                       ("all", ROWS)]:  # fmt: skip
        counts = Counter(row.kind for row in rows)
        line = f"| {name} | {' | '.join(str(counts[state]) for state in STATES)} |"
        assert line in TEXT.splitlines()
