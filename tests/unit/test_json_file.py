"""JSON for programs: in files, and on standard output."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from groundcrew import json_file
from groundcrew.settings import show
from tests.unit.project import Project

TWICE = "from groundcrew import json_file as j; j.replace('-', {'a': 1}); j.replace('-', {'b': 2})"


def test_standard_output_gets_the_last_data_at_the_end() -> None:
    done = subprocess.check_output([sys.executable, "-c", TWICE], text=True)
    assert json.loads(done) == {"b": 2}


def test_a_file_has_the_last_data(tmp_path: Path) -> None:
    for value in (1, 2):
        json_file.replace(str(tmp_path / "x/a.json"), {"a": value})
    assert json.loads((tmp_path / "x/a.json").read_text()) == {"a": 2}
    assert [path.name for path in (tmp_path / "x").iterdir()] == ["a.json"]


@pytest.mark.parametrize("place", [True, "-", "out.json"])
def test_settings_as_json(
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    place: bool | str,
) -> None:
    project.app()
    monkeypatch.chdir(project.root)
    project.data = {"settings.json": place, "settings.key": "apps"}
    inventory = project.inventory()
    project.load()
    show.print_settings(inventory)
    shown = capsys.readouterr().out
    text = Path("out.json").read_text() if place == "out.json" else shown
    assert json.loads(text) == {
        "web1": {"apps": {"value": ["shop"], "layer": "inventory, group web"}}
    }
