"""A project of the user's own, as `groundcrew init` writes it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from groundcrew import project
from groundcrew.commands import init, main
from groundcrew.newapp import __main__ as new_app
from groundcrew.project import is_project


def test_it_is_a_project_and_nothing_of_a_users_is_touched(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "mysite"
    assert main(["init", str(place)]) == 0
    assert is_project(place)
    assert "Next: README.md" in capsys.readouterr().out
    assert (place / ".groundcrew/.gitignore").read_text() == "*\n"
    (place / "README.md").write_text("mine")
    (place / "deploy.py").unlink()
    # A link that leads nowhere is somebody's, too.
    (place / "deploy.py").symlink_to(tmp_path / "elsewhere")
    (place / "playbooks/logs.py").unlink()
    assert main(["init", str(place)]) == 0
    told = capsys.readouterr().out
    assert "README.md: is there already, left as it is" in told
    assert "1 new file in" in told
    assert (place / "README.md").read_text() == "mine"
    assert not (tmp_path / "elsewhere").exists()


def test_groundcrew_is_never_required_by_its_name_alone() -> None:
    lines = init.requirements("git+https://git.example.com/groundcrew@abc").splitlines()
    assert [line for line in lines if not line.startswith("#")] == [
        "groundcrew @ git+https://git.example.com/groundcrew@abc"
    ]


def test_the_recipes_for_ci_are_yaml(tmp_path: Path) -> None:
    init.write(tmp_path)
    github = yaml.safe_load((tmp_path / ".github/workflows/deploy.yml").read_text())
    gitlab = yaml.safe_load((tmp_path / ".gitlab-ci.yml").read_text())
    steps = [step.get("run", "") for step in github["jobs"]["deploy"]["steps"]]
    assert any("deploy.py --dry --diff" in step for step in steps)
    assert any("deploy.py -y" in step for step in steps)
    assert gitlab["deploy"]["resource_group"] == "production"


def test_commands_are_told_as_they_are_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert project.program("lab") == "bin/lab"
    monkeypatch.setattr(project, "ROOT", tmp_path)
    assert project.program("lab") == "groundcrew lab"


def test_an_application_beside_the_project_is_named_by_a_relative_path(tmp_path: Path) -> None:
    site, shop = tmp_path / "mysite", tmp_path / "shop"
    for place in (site, shop, site / "apps/inner", tmp_path / "far/away"):
        place.mkdir(parents=True)
    assert new_app.source(shop, site) == "../shop"
    assert new_app.source(site / "apps/inner", site) == "apps/inner"
    assert new_app.source(Path("/usr/lib"), site) == "/usr/lib"
    assert new_app.source(site, site) == str(site)


def test_other_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inti"]) == 2
    assert "no command inti" in capsys.readouterr().err
    assert main(["--help"]) == 0
    assert main(["--version"]) == 0
    assert "groundcrew 0." in capsys.readouterr().out
