"""The rules for imports (pyproject.toml) hold for every module and role."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ABOVE = {"groundcrew.roles", "groundcrew.commands", "groundcrew.__init__"}


@pytest.fixture
def contracts() -> list[dict[str, list[str]]]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    declared: list[dict[str, list[str]]] = settings["tool"]["importlinter"]["contracts"]
    return declared


def test_every_role_is_independent_of_the_others(contracts: list[dict[str, list[str]]]) -> None:
    packages = (ROOT / "roles").glob("*/__init__.py")
    names = sorted(f"groundcrew.roles.{path.parent.name}" for path in packages)
    assert contracts[1]["modules"] == names


def test_every_module_of_the_engine_is_held_to_it(contracts: list[dict[str, list[str]]]) -> None:
    modules = [path.stem for path in (ROOT / "groundcrew").glob("*.py")]
    modules += [path.parent.name for path in (ROOT / "groundcrew").glob("*/__init__.py")]
    names = sorted({f"groundcrew.{name}" for name in modules} - ABOVE)
    assert contracts[0]["source_modules"] == names
