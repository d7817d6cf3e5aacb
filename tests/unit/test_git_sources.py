"""What git keeps, and what of it a release gets: everything that is committed, with its content."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from groundcrew.manifest.source import DirectorySource, GitSource, Source
from groundcrew.releases import bundle
from groundcrew.releases.bundle import Bundle, SourceError, names, read_member
from groundcrew.releases.version import version

CONTENT = b"weights " * 1000


@pytest.fixture(autouse=True)
def new_run() -> Iterator[None]:
    yield
    bundle._pack.cache_clear()


def git(folder: Path, *arguments: str) -> str:
    options = ["-c", "user.name=n", "-c", "user.email=e@example.com"]
    options += ["-c", "protocol.file.allow=always", "-c", "init.defaultBranch=main"]
    return subprocess.run(
        ["git", *options, *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


def write(folder: Path, **files: str | bytes) -> None:
    for name, content in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def commit(folder: Path, **files: str | bytes) -> None:
    write(folder, **files)
    git(folder, "add", "-f", ".")
    git(folder, "commit", "-q", "--allow-empty", "-m", "more")


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    folder = tmp_path / "repo"
    folder.mkdir()
    git(folder, "init", "-q")
    commit(folder, app="1")
    return folder


def pack(root: Path, source: Source | None = None, **changes: Any) -> Bundle:
    bundle._pack.cache_clear()
    given = {"git": str(root / "repo"), "ref": "main", **changes}
    return bundle.pack(source or GitSource.model_validate(given), root, root / "store")


def checkout(root: Path) -> Bundle:
    return pack(root, DirectorySource(directory=str(root / "repo")))


def test_attributes_for_archives_leave_nothing_out_and_change_nothing(
    repo: Path, tmp_path: Path
) -> None:
    commit(repo, tests__data="x", info="$Format:%H$\n")
    (repo / ".gitattributes").write_text("/tests export-ignore\ninfo export-subst\n")
    commit(repo)
    packed = pack(tmp_path)
    assert names(packed) == {".gitattributes", "app", "info", "tests/data"}
    assert read_member(packed, "info") == b"$Format:%H$\n"


def test_line_ends_are_the_repositorys_whatever_this_machine_likes(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(repo, unix="a\nb\n", dos="a\n")
    (repo / ".gitattributes").write_text("dos eol=crlf\n")
    commit(repo)
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "core.autocrlf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "true")
    packed = pack(tmp_path)
    assert (read_member(packed, "unix"), read_member(packed, "dos")) == (b"a\nb\n", b"a\r\n")


def test_exclude_is_for_git_too(repo: Path, tmp_path: Path) -> None:
    commit(repo, web__tests__t="x", web__a="x", tests__t="x")
    assert names(pack(tmp_path, exclude=["tests/"])) == {"app", "web/a"}
    assert names(pack(tmp_path, path="web", exclude=["/tests/"])) == {"a"}


def pointer(content: bytes) -> str:
    oid = hashlib.sha256(content).hexdigest()
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {len(content)}\n"


def store(folder: Path, content: bytes) -> Path:
    """Puts content where Git LFS keeps it in a repository."""
    oid = hashlib.sha256(content).hexdigest()
    target = folder / ".git/lfs/objects" / oid[:2] / oid[2:4] / oid
    target.parent.mkdir(parents=True)
    target.write_bytes(content)
    return target


def test_a_pointer_of_git_lfs_becomes_its_content(repo: Path, tmp_path: Path) -> None:
    commit(repo, model__weights=pointer(CONTENT))
    store(repo, CONTENT)
    assert read_member(pack(tmp_path), "model/weights") == CONTENT
    assert read_member(pack(tmp_path, path="model"), "weights") == CONTENT


def test_content_that_is_another_is_not_taken(repo: Path, tmp_path: Path) -> None:
    commit(repo, weights=pointer(CONTENT))
    store(repo, CONTENT).write_bytes(bytes(len(CONTENT)))
    with pytest.raises(SourceError, match="is not what its name says: remove it"):
        pack(tmp_path)


def test_content_is_fetched_with_git_lfs(repo: Path, tmp_path: Path) -> None:
    """From a server's store, which is no repository's directory on this machine."""
    assert shutil.which("git-lfs"), "bin/test installs it"
    git(repo, "lfs", "install", "--local")
    git(repo, "lfs", "track", "*.bin")
    (repo / "model").mkdir()
    (repo / "model/weights.bin").write_bytes(CONTENT)
    commit(repo)
    server = tmp_path / "server.git"
    git(tmp_path, "init", "-q", "--bare", str(server))
    git(repo, "remote", "add", "origin", f"file://{server}")
    git(repo, "push", "-q", "origin", "main")
    every: list[dict[str, Any]] = [{}, {"path": "model"}]
    for changes in every:
        packed = pack(tmp_path, git=f"file://{server}", **changes)
        assert read_member(packed, "weights.bin" if changes else "model/weights.bin") == CONTENT


def test_a_submodules_content_is_its_repositorys(repo: Path, tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    git(inner, "init", "-q")
    commit(inner, weights=pointer(CONTENT))
    store(inner, CONTENT)
    git(repo, "submodule", "add", "-q", "../inner", "lib")
    commit(repo)
    assert read_member(pack(tmp_path, submodules=True), "lib/weights") == CONTENT


def test_pointers_without_content_are_refused(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(repo, a=pointer(b"1"), b=pointer(b"2"))
    monkeypatch.setattr(shutil, "which", lambda name: None)
    message = "a, b hold only a pointer of Git LFS: {}, or leave it out with `source.exclude`"
    with pytest.raises(SourceError, match=message.format("install git-lfs on this machine, .*")):
        pack(tmp_path)
    with pytest.raises(SourceError, match=message.format(f"run `git lfs pull` in {repo}")):
        checkout(tmp_path)
    assert names(pack(tmp_path, exclude=["/a", "/b"])) == {"app"}


def test_what_git_lfs_cannot_fetch_is_its_own_message(repo: Path, tmp_path: Path) -> None:
    commit(repo, a=pointer(b"1"))
    message = "the content of a cannot be fetched: git lfs: .*; `git lfs push --all` in a clone"
    with pytest.raises(SourceError, match=message):
        pack(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\0GITCRYPT\0abc", "what git-crypt has locked: unlock it"),
        (b"/annex/objects/SHA256-s1--aa\n", "only a pointer of git-annex: `git annex get` it"),
    ],
)
def test_what_other_tools_leave_in_a_tree(
    repo: Path, tmp_path: Path, content: bytes, message: str
) -> None:
    commit(repo, data__key=content)
    with pytest.raises(SourceError, match=f"data/key holds {message}"):
        pack(tmp_path)


def test_what_git_tracks_is_kept_though_it_is_ignored(repo: Path, tmp_path: Path) -> None:
    commit(repo, static__lib__chart="1", static__lib__deep__x="1", de__django_mo="1")
    write(repo, static__lib__mine="1", static__lib__other__x="1", de__new_mo="1", later="1")
    write(repo, static__lib__deep__y="1")
    (repo / ".gitignore").write_text("lib/\n*_mo\n")
    # As in git, it says nothing: the directory that it is in is ignored.
    (repo / "static/lib/.gitignore").write_text("!mine\n")
    assert names(checkout(tmp_path)) == {
        ".gitignore", "app", "de/django_mo", "later", "static/lib/chart", "static/lib/deep/x",
    }  # fmt: skip
    below = DirectorySource(directory="repo/static", exclude=("deep/",))
    (repo / "static/.gitignore").write_text("lib/\n")
    assert names(pack(tmp_path, below)) == {".gitignore", "lib/chart"}


def test_a_repository_that_git_does_not_read_is_no_directory_without_one(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(SourceError, match=r"dubious ownership|safe\.directory"):
        checkout(tmp_path)


@pytest.mark.parametrize(
    ("described", "expected"),
    [
        ("v1.2.0-0-gabc", "1.2.0"),
        ("1.2-0-gabc", "1.2"),
        ("shop-v2.0.0rc1-0-gabc", "2.0.0rc1"),
        ("backend/v1.0-beta.2-0-gabc", "1.0b2"),
        ("v1.2.0-3-gabc", "1.2.1.dev3+gabc"),
        ("v1.2.0-0-gabc-dirty", "1.2.1.dev0+gabc.dirty"),
        ("v1.0rc1-2-gabc", "1.0rc2.dev2+gabc"),
        ("v1.0.dev1-2-gabc", "1.0.dev3+gabc"),
        ("0.0-7-gabc", "0.1.dev7+gabc"),
        ("release2024-0-gabc", None),
    ],
)
def test_a_version_is_that_of_the_tag_or_what_comes_next(
    described: str, expected: str | None
) -> None:
    assert version(described) == expected


def test_a_source_knows_the_tag_that_it_is_at(repo: Path, tmp_path: Path) -> None:
    name = git(repo, "rev-parse", "HEAD")[:12]
    assert pack(tmp_path).described == checkout(tmp_path).described == f"0.0-1-g{name}"
    git(repo, "tag", "v1.0")
    git(repo, "tag", "v1.0-final")
    assert pack(tmp_path, ref="v1.0").described == f"v1.0-0-g{name}"
    commit(repo)
    later = f"-1-g{git(repo, 'rev-parse', 'HEAD')[:12]}"
    assert str(pack(tmp_path).described).endswith(later)
    write(repo, app="2")
    assert str(checkout(tmp_path).described).endswith(f"{later}-dirty")
