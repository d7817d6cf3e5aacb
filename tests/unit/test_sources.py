"""Sources that are files, repositories in repositories, and what they say they need."""

from __future__ import annotations

import hashlib
import io
import subprocess
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from groundcrew.manifest.model import AppSettings
from groundcrew.manifest.server import GunicornServer
from groundcrew.manifest.source import FileSource, GitSource, UrlSource
from groundcrew.releases import bundle, collect, git
from groundcrew.releases.bundle import Bundle, SourceError, names, read_member
from groundcrew.releases.requirements import Requirements
from groundcrew.roles.gunicorn import Gunicorn


@pytest.fixture(autouse=True)
def new_run() -> Iterator[None]:
    yield
    bundle._pack.cache_clear()


def checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def tarball(path: Path, **files: str) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(name.replace("__", "/").replace("_py", ".py"))
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
    return path


def pack(source: Any, root: Path) -> Bundle:
    bundle._pack.cache_clear()
    return bundle.pack(source, root, root / "store")


def test_an_archive_is_unpacked_without_its_one_directory(tmp_path: Path) -> None:
    path = tarball(tmp_path / "shop-1.tar.gz", shop1__app_py="1", shop1__web__a_py="2")
    packed = pack(FileSource(file="shop-1.tar.gz", sha256=checksum(path).upper()), tmp_path)
    assert names(packed) == {"app.py", "web/a.py"}
    assert packed.label == "shop-1.tar.gz"
    assert read_member(packed, "web/a.py") == b"2"
    assert pack(FileSource(file=str(path)), tmp_path) == packed


def test_a_zip_keeps_what_is_executable_and_its_links(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "shop.zip", "w") as archive:
        archive.writestr("app.py", "1")
        for name, mode, text in (("run.sh", 0o100755, "#!"), ("link.py", 0o120777, "app.py")):
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            archive.writestr(info, text)
    packed = pack(FileSource(file="shop.zip"), tmp_path)
    assert packed.archive
    with tarfile.open(packed.archive) as members:
        assert members.getmember("run.sh").mode == 0o755
        assert members.getmember("link.py").linkname == "app.py"


@pytest.mark.parametrize("target", ["/etc/passwd", "../../outside"])
def test_an_archive_whose_links_lead_out_is_refused(tmp_path: Path, target: str) -> None:
    info = zipfile.ZipInfo("link")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "shop.zip", "w") as archive:
        archive.writestr("app.py", "1")
        archive.writestr(info, target)
    with pytest.raises(SourceError, match="outside the source"):
        pack(FileSource(file="shop.zip"), tmp_path)
    link = tarfile.TarInfo("link")
    link.type, link.linkname = tarfile.SYMTYPE, target
    with tarfile.open(tmp_path / "shop.tar", "w") as members:
        members.addfile(link)
    with pytest.raises(SourceError, match="cannot be unpacked"):
        pack(FileSource(file="shop.tar"), tmp_path)


def test_a_wheel_stays_one_file_with_its_checksum(tmp_path: Path) -> None:
    wheel = tmp_path / "shop-1.0-py3-none-any.whl"
    wheel.write_bytes(b"PK")
    packed = pack(FileSource(file=wheel.name), tmp_path)
    assert names(packed) == {wheel.name}
    assert (packed.wheel, packed.sha256) == (wheel.name, checksum(wheel))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("shop.tar.gz", b"no archive", "cannot be unpacked"),
        ("shop.zip", b"no archive", "cannot be unpacked"),
        ("shop.whl", b"PK", "shop.whl has the SHA-256 .*, not 0000"),
        ("gone.whl", None, "gone.whl cannot be read: No such file"),
    ],
)
def test_a_file_that_is_another_or_none(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    if content:
        (tmp_path / name).write_bytes(content)
    wanted = "0" * 64 if name.endswith("whl") else None
    with pytest.raises(SourceError, match=message):
        pack(FileSource(file=name, sha256=wanted), tmp_path)


class Quiet(SimpleHTTPRequestHandler):
    """Says nothing."""

    asked: list[str] = []  # noqa: RUF012

    def log_message(self, *_: object) -> None:
        self.asked.append(self.path)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "www").mkdir()
    Quiet.asked.clear()
    handler = partial(Quiet, directory=str(tmp_path / "www"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()


def test_a_url_is_fetched_once_and_checked(tmp_path: Path, server: str) -> None:
    path = tarball(tmp_path / "www/shop.tgz", app_py="1")
    source = UrlSource(url=f"{server}/shop.tgz", sha256=checksum(path))
    packed = pack(source, tmp_path)
    assert names(packed) == {"app.py"}
    assert pack(source, tmp_path) == packed
    assert Quiet.asked == ["/shop.tgz"]
    with pytest.raises(SourceError, match=r"shop\.tgz has the SHA-256 .*, not 1111"):
        pack(UrlSource(url=f"{server}/shop.tgz", sha256="1" * 64), tmp_path)
    assert not list((tmp_path / "store/downloads" / ("1" * 64)).iterdir())
    with pytest.raises(SourceError, match=r"gone\.whl: 404"):
        pack(UrlSource(url=f"{server}/gone.whl", sha256="1" * 64), tmp_path)


def run_git(folder: Path, *arguments: str) -> str:
    folder.mkdir(exist_ok=True)
    options = ["-c", "user.name=n", "-c", "user.email=e@example.com"]
    options += ["-c", "protocol.file.allow=always", "-c", "init.defaultBranch=main"]
    return subprocess.run(
        ["git", *options, *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


def repository(folder: Path, **files: str) -> Path:
    run_git(folder, "init", "-q")
    for name, text in files.items():
        (folder / name).write_text(text)
    run_git(folder, "add", ".")
    run_git(folder, "commit", "-q", "-m", "all")
    return folder


def test_submodules_come_at_their_commits_and_only_when_asked_for(tmp_path: Path) -> None:
    inner = repository(tmp_path / "inner", deep="1")
    lib = repository(tmp_path / "lib", lib="1")
    run_git(lib, "submodule", "add", "-q", "../inner", "inner")
    run_git(lib, "commit", "-q", "-m", "inner")
    shop = repository(tmp_path / "shop", app="1")
    run_git(shop, "submodule", "add", "-q", "../lib", "vendor/lib")
    run_git(shop, "commit", "-q", "-m", "lib")
    for moved in (inner, lib):
        (moved / "later").write_text("2")
        run_git(moved, "add", "later")
        run_git(moved, "commit", "-q", "-m", "later")
    source = {"git": "shop", "ref": "main"}
    assert names(pack(GitSource.model_validate(source), tmp_path)) == {".gitmodules", "app"}
    packed = pack(GitSource.model_validate({**source, "submodules": True}), tmp_path)
    assert names(packed) == {
        ".gitmodules", "app", "vendor/lib/.gitmodules", "vendor/lib/lib", "vendor/lib/inner/deep",
    }  # fmt: skip
    below = GitSource.model_validate({**source, "submodules": True, "path": "vendor"})
    assert names(pack(below, tmp_path)) == {"lib/.gitmodules", "lib/lib", "lib/inner/deep"}


@pytest.mark.parametrize(
    ("origin", "url", "expected"),
    [
        ("https://git.test/org/shop.git", "../lib.git", "https://git.test/org/lib.git"),
        ("ssh://git@git.test:22/org/shop", "../../x/lib", "ssh://git@git.test:22/x/lib"),
        ("git@git.test:org/shop.git", "../lib.git", "git@git.test:org/lib.git"),
        ("git@git.test:org/shop.git", "https://git.test/x", "https://git.test/x"),
    ],
)
def test_where_a_submodule_is(tmp_path: Path, origin: str, url: str, expected: str) -> None:
    assert git.Repository(origin, tmp_path, tmp_path)._submodule(url) == expected


@pytest.mark.parametrize("url", ["/etc", "file:///etc", "ext::sh -c true", "-u"])
def test_a_foreign_repository_gets_nothing_of_this_machine(tmp_path: Path, url: str) -> None:
    with pytest.raises(git.GitError, match="no URL that may be fetched"):
        git.Repository("https://git.test/shop", tmp_path, tmp_path)._submodule(url)


def test_a_deploy_key_is_the_only_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_SSH_COMMAND", "ssh -v")
    assert git._environment(tmp_path / "a key")["GIT_SSH_COMMAND"] == (
        f"ssh -v -i '{tmp_path}/a key' -o IdentitiesOnly=yes -o BatchMode=yes"
    )


class Project:
    """An application's directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "src").mkdir()

    def write(self, path: str, text: str) -> None:
        target = self.root / "src" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def requirements(self, **changes: Any) -> Requirements:
        self.write("app.py", "")
        given = {"source": {"directory": "src"}, "entry": "app:app", **changes}
        app = AppSettings.model_validate(given)
        assert isinstance(app.server, GunicornServer)
        packed = pack(app.source, self.root)
        return collect.requirements(app, packed, Gunicorn(app.server), self.root)

    def own(self, **changes: Any) -> list[str]:
        lines = self.requirements(**changes).text.splitlines()
        return [line for line in lines if "--hash" not in line or "gunicorn" not in line]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


PYPROJECT = """\
[project]
name = "shop"
dependencies = ["flask>=3", "uvloop; sys_platform == 'linux'"]
[project.optional-dependencies]
Post_Gres = ["psycopg>=3"]
"""


def test_what_is_there_is_taken_in_order(project: Project) -> None:
    assert project.own() == []
    project.write("pyproject.toml", "[tool.ruff]\n")
    assert project.own() == []
    project.write("pyproject.toml", PYPROJECT)
    assert project.own() == ["flask>=3", "uvloop; sys_platform == 'linux'"]
    project.write("requirements.txt", "django\n")
    assert project.own() == ["django"]
    project.write("uv.lock", "version = 1\n")
    export = project.requirements(extras=["pg"]).export
    assert export and (export.folder, export.extras) == (".", ("pg",))
    assert project.own(requirements="pyproject.toml") == project.own(
        requirements="./pyproject.toml"
    )
    assert project.own(requirements=False) == []


def test_a_projects_own_pin_of_the_server_is_kept(project: Project) -> None:
    project.write("pyproject.toml", '[project]\ndependencies = ["gunicorn == 21.2.0", "flask"]\n')
    assert project.requirements().text == "gunicorn == 21.2.0\nflask\n"


def test_optional_dependencies(project: Project) -> None:
    project.write("backend/pyproject.toml", PYPROJECT)
    requirements = project.own(requirements="backend/pyproject.toml", extras=["post-gres"])
    assert requirements[-1] == "psycopg>=3"
    with pytest.raises(SourceError, match=r"no optional dependencies x \(known: Post_Gres\)"):
        project.own(requirements="backend/pyproject.toml", extras=["x"])
    project.write("requirements.txt", "flask\n")
    with pytest.raises(SourceError, match="extras are those of"):
        project.own(extras=["x"])


def test_a_source_that_is_a_package(project: Project) -> None:
    with pytest.raises(SourceError, match=r"src has no pyproject\.toml in \., needed by `install`"):
        project.own(install=True)
    project.write("pyproject.toml", PYPROJECT)
    assert project.requirements().install is None
    assert project.requirements(install=True).install == "."
    project.write("api/pyproject.toml", '[project]\nname = "api"\ndynamic = ["dependencies"]\n')
    requirements = project.requirements(requirements="api/pyproject.toml", install=True, extras=())
    assert requirements.install == "api"
    assert requirements.text.startswith("./api\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[project]\ndynamic = ["dependencies"]\n', "the dependencies are dynamic"),
        ("[tool.poetry]\n", r"no table \[project\]; poetry's own table is not read"),
        ("[project\n", r"pyproject.toml: Expected"),
        (
            '[project]\ndependencies = ["My_Lib>=1"]\n[tool.uv.sources]\nmy-lib = {path = "x"}\n',
            "my-lib comes from",
        ),
    ],
)
def test_a_pyproject_that_cannot_be_read(project: Project, text: str, message: str) -> None:
    project.write("pyproject.toml", text)
    with pytest.raises(SourceError, match=message):
        project.own(requirements="pyproject.toml")


def test_a_lock_without_its_project(project: Project) -> None:
    project.write("uv.lock", "version = 1\n")
    with pytest.raises(SourceError, match=r"src has no uv\.lock with a pyproject\.toml beside it"):
        project.own()


def test_a_wheel_with_a_lock_of_ones_own(project: Project) -> None:
    wheel = project.root / "shop-1.0-py3-none-any.whl"
    wheel.write_bytes(b"PK")
    (project.root / "shop.lock").write_text("flask==3.1.0 --hash=sha256:aa\n")
    requirements = project.requirements(
        source={"file": wheel.name}, lock="shop.lock", extras=["pg", "redis"]
    )
    assert requirements.hashed
    assert requirements.text.splitlines()[:2] == [
        "flask==3.1.0 --hash=sha256:aa",
        f"./{wheel.name}[pg,redis] --hash=sha256:{checksum(wheel)}",
    ]
