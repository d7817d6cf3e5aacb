"""A source brings nothing for directories that outlive releases; what keeps them in git is no
content."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from groundcrew.manifest import seeds
from groundcrew.releases import bundle
from groundcrew.releases.bundle import names
from groundcrew.releases.steps.build import build_payload
from groundcrew.settings import SettingsError
from tests.unit.project import Project
from tests.unit.test_release_plan import Planner


@pytest.fixture
def planner(tmp_path: Path) -> Planner:
    return Planner(tmp_path)


def write(planner: Planner, path: str, text: str = "") -> None:
    target = planner.project / "src" / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)


def error(planner: Planner, **changes: Any) -> tuple[str, str]:
    with pytest.raises(SettingsError) as caught:
        planner.plan(**changes)
    [problem] = caught.value.problems
    return problem.key, problem.message


@pytest.mark.parametrize("name", [".gitkeep", ".keep", ".gitignore", "README.md", ".placeholder"])
@pytest.mark.parametrize("where", [{"shared": ["up/loads"]}, {"media": {"path": "up/loads"}}])
def test_a_placeholder_is_no_content(planner: Planner, name: str, where: dict[str, Any]) -> None:
    write(planner, f"up/loads/{name}", "!.gitignore\n")
    write(planner, "up/.gitkeep")
    members = names(planner.plan(**where).bundle)
    assert f"up/loads/{name}" not in members
    assert "up/.gitkeep" in members


@pytest.mark.parametrize(
    ("where", "key"),
    [({"shared": ["data"]}, "shared"), ({"media": {"path": "data"}}, "media.path")],
)
@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("data/seed.json", "(data/seed.json): leave it out with `source.exclude: [/data/]`"),
        ("data/__init__.py", "data outlives releases, which would hide what the source has in it"),
        ("data/sub/.gitkeep", 'e.g. with `hooks.release: ["mkdir -p data/sub"]`'),
        ("data", "data is a file in the source: only a directory outlives releases"),
    ],
)
def test_content_is_refused_before_any_host_is_touched(
    planner: Planner, where: dict[str, Any], key: str, path: str, message: str
) -> None:
    write(planner, path)
    problem = error(planner, **where)
    assert problem[0] == f"app.shop.{key}"
    assert message in problem[1]
    planner.plan(source={"directory": "src", "exclude": ["/data"]}, **where)


def test_a_link_at_the_place_of_a_shared_directory(planner: Planner) -> None:
    write(planner, "elsewhere/a")
    (planner.project / "src/data").symlink_to("elsewhere")
    assert "data is a link in the source" in error(planner, shared=["data"])[1]


def test_a_long_readme_is_content(planner: Planner) -> None:
    write(planner, "data/README.md", "x" * 5000)
    assert "(data/README.md)" in error(planner, shared=["data"])[1]


def test_an_archive_is_looked_through_too(planner: Planner) -> None:
    write(planner, "uploads/.gitkeep")
    bundle._pack.cache_clear()
    with tarfile.open(planner.project / "shop.tar.gz", "w:gz") as archive:
        archive.add(planner.project / "src", "shop")
    source = {"file": "shop.tar.gz"}
    assert "uploads/.gitkeep" in names(planner.plan(source=source).bundle)
    assert "uploads/.gitkeep" not in names(planner.plan(source=source, shared=["uploads"]).bundle)


@pytest.mark.parametrize(
    ("more", "key", "written"),
    [
        ("shared: [db.sqlite3]\n", "shared", "shared: [data]"),
        ("shared: [var/app.log]\n", "shared", "shared: [var]"),
        ("shared: [.env]\n", "shared", "shared: [data]"),
        ("media: {path: files/site.db}\n", "media.path", "media.path: files"),
    ],
)
def test_what_looks_like_a_file_is_refused(
    project: Project, more: str, key: str, written: str
) -> None:
    project.app(more=more)
    layer, name, message = project.error()
    assert (layer, name) == ("apps/shop.yml", f"app.shop.{key}")
    assert "looks like a file, and only directories outlive releases" in message
    assert written in message


def test_a_directory_may_have_a_dot(project: Project) -> None:
    project.app(more="shared: [conf.d, example.com, v1.2]\n")
    project.load()


def test_a_shared_directory_lies_in_no_other(project: Project) -> None:
    project.app(more="shared: [data, data/cache]\n")
    assert project.error() == (
        "apps/shop.yml", "app.shop.shared",
        "data/cache lies in data, which outlives releases as a whole; leave it out",
    )  # fmt: skip


def test_uploads_lie_in_no_shared_directory(project: Project) -> None:
    project.app(more="shared: [data]\nmedia: {path: data/media}\n")
    assert project.error()[1:] == (
        "app.shop.media.path",
        "data/media lies in data, which outlives releases as a whole; nginx needs a directory of "
        "its own: name one beside it",
    )


def test_what_a_shared_directory_begins_with(planner: Planner) -> None:
    write(planner, "data/index.json")
    write(planner, "first/a.txt")
    own: dict[str, Any] = {"shared": ["data", "logs"], "seeds": {"data": "data", "logs": "first"}}
    plan = planner.plan(**own)
    assert {"data/index.json", "first/a.txt"} <= names(plan.bundle)
    assert build_payload(plan, "1-a", None)["set_aside"] == {"data": ".groundcrew-seeds/data"}
    assert (
        planner.plan(shared=["logs"]).code_key
        != planner.plan(shared=["logs"], seeds={"logs": "first"}).code_key
    )
    assert (
        "first/a.txt is a file of src"
        in error(planner, shared=["logs"], seeds={"logs": "first/a.txt"})[1]
    )
    assert "src has no files in none" in error(planner, shared=["logs"], seeds={"logs": "none"})[1]


@pytest.mark.parametrize(
    ("seeds", "key", "message"),
    [
        ("{logs: first}", "logs", "is no directory that outlives releases; add it to shared"),
        ("{data: media/x}", "data", "media/x lies in media, which outlives releases"),
        ("{data: .}", "data", "name a directory of the source, not all of it"),
    ],
)
def test_seeds_that_cannot_be(project: Project, seeds: str, key: str, message: str) -> None:
    project.app(more=f"shared: [data, media]\nseeds: {seeds}\n")
    _, name, told = project.error()
    assert name == f"app.shop.seeds.{key}"
    assert message in told


class Filling:
    """A directory on a host, and what it is filled with."""

    def __init__(self, root: Path) -> None:
        self.seed, self.target, self.note = root / "seed", root / "target dir", root / "home/a/note"
        (self.seed / "sub").mkdir(parents=True)
        (self.seed / "sub/a").write_text("first")
        (self.seed / "run.sh").write_text("#!/bin/sh\n")
        (self.seed / "run.sh").chmod(0o750)
        (self.seed / "sub").chmod(0o555)
        self.target.mkdir()

    def run(self) -> list[str]:
        script = seeds.script(str(self.seed), str(self.target), str(self.note))
        subprocess.run(["sh", "-c", f"umask 077\n{script}"], check=True)
        return sorted(str(path.relative_to(self.target)) for path in self.target.rglob("*"))


@pytest.fixture
def filling(tmp_path: Path) -> Filling:
    return Filling(tmp_path)


def test_a_directory_is_filled_once(filling: Filling) -> None:
    (filling.target / "lost+found").mkdir()
    assert filling.run() == ["lost+found", "run.sh", "sub", "sub/a"]
    modes = {name: (filling.target / name).stat().st_mode & 0o777 for name in ("run.sh", "sub/a")}
    # As nginx may read it where the directory is its group's.
    assert modes == {"run.sh": 0o750, "sub/a": 0o640}
    assert (filling.target / "sub").stat().st_mode & 0o700 == 0o700
    # What somebody takes away does not come back.
    shutil.rmtree(filling.target / "sub")
    (filling.target / "run.sh").unlink()
    assert filling.run() == ["lost+found"]


def test_data_from_before_stays_as_it_is(filling: Filling) -> None:
    (filling.target / "own").write_text("")
    assert filling.run() == ["own"]
    (filling.target / "own").unlink()
    assert filling.run() == []


def test_what_was_cut_off_is_completed_and_replaces_nothing(filling: Filling) -> None:
    filling.note.parent.mkdir(parents=True)
    filling.note.with_name("note.begun").touch()
    (filling.target / seeds.HALF).mkdir()
    (filling.target / seeds.HALF / "half").write_text("")
    (filling.target / "run.sh").write_text("somebody's own")
    assert filling.run() == ["run.sh", "sub", "sub/a"]
    assert (filling.target / "run.sh").read_text() == "somebody's own"
    assert sorted(path.name for path in filling.note.parent.iterdir()) == ["lock", "note"]
