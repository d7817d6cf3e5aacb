"""What programs on hosts report has a type, which their readers share."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import groundcrew
from groundcrew import remote
from groundcrew.remote import host_sections

ROLES = Path(groundcrew.__file__).parent.parent / "roles"
PROGRAMS = sorted(Path(remote.__file__).parent.glob("*.py"))
SECTIONS = [Path(host_sections.__file__), *sorted(ROLES.glob("*/on_host*.py"))]
UNTYPED = re.compile(r"\b(Any|Data|object)\b|\bdict(?!\[)|\blist(?!\[)")
OTHERS = {
    "app_sboms.py": "documents of CycloneDX",
    "app_status.py": "HostStatus, and sections that roles type",
    "call.py": "what a function of another module returns",
    "read_host.py": "sections that roles type",
}
"""Programs that print what is not theirs."""


def check(without: list[str], where: str) -> None:
    """Whether a module has a type for each of its reports."""
    assert not without, f"declare it with a type of {where} (see docs/architecture.md)"


def functions(tree: ast.Module) -> dict[str, ast.FunctionDef]:
    return {item.name: item for item in tree.body if isinstance(item, ast.FunctionDef)}


def printed(tree: ast.Module) -> Iterator[tuple[ast.FunctionDef, ast.expr]]:
    """What each `print(json.dumps(...))` of a program prints, with its function."""
    for function in functions(tree).values():
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and ast.unparse(node).startswith("print(json.dumps("):
                value = node.args[0].args[0]  # type: ignore[attr-defined]
                if isinstance(value, ast.Call) and ast.unparse(value.func) == "all_printable":
                    value = value.args[0]
                yield function, value


def kind(value: ast.expr, inside: ast.FunctionDef, tree: ast.Module) -> str:
    """The type that a value is declared to have; empty if there is none."""
    if isinstance(value, ast.Name):
        declared = [
            ast.unparse(node.annotation)
            for node in ast.walk(inside)
            if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == value.id
        ]
        return declared[0] if declared else ""
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name):
        returns = functions(tree)[value.func.id].returns
        return ast.unparse(returns) if returns else ""
    return ""


def untyped(text: str) -> bool:
    return not text or bool(UNTYPED.search(text))


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.name)
def test_a_program_prints_what_has_a_type(path: Path) -> None:
    tree = ast.parse(path.read_text())
    values = list(printed(tree))
    if path.name in OTHERS:
        assert values
        return
    without = [ast.unparse(value) for function, value in values
               if untyped(kind(value, function, tree))]  # fmt: skip
    check(without, "groundcrew/facts")


@pytest.mark.parametrize("path", SECTIONS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_section_of_a_role_has_a_type(path: Path) -> None:
    """Sections, and functions that are called on a host, get the request and nothing else."""
    without = [
        item.name
        for item in functions(ast.parse(path.read_text())).values()
        if not item.name.startswith("_")
        and [arg.arg for arg in item.args.args] in (["request"], ["_"])
        and not item.args.vararg
        and untyped(ast.unparse(item.returns) if item.returns else "")
    ]
    check(without, "the role's report.py")
