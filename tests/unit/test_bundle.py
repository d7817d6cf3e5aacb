"""Sources become archives: the same content the same archive, and only what belongs to it."""

from __future__ import annotations

import os
import socket
import subprocess
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from groundcrew.manifest.source import DirectorySource, GitSource, PypiSource
from groundcrew.releases import bundle
from groundcrew.releases.bundle import Bundle, SourceError, read_member


@pytest.fixture(autouse=True)
def new_run() -> Iterator[None]:
    yield
    bundle._pack.cache_clear()


class Source:
    """A directory that is packed anew each time, as by a new run."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.project = root / "project"
        self.directory = self.project / "src"
        self.directory.mkdir(parents=True)

    def write(self, path: str, text: str = "x", mode: int = 0o644) -> Path:
        file = self.directory / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)
        return file

    def pack(self, *exclude: str, store: str = "store") -> Bundle:
        bundle._pack.cache_clear()
        source = DirectorySource(directory="src", exclude=exclude)
        return bundle.pack(source, self.project, self.root / store)

    def names(self, *exclude: str) -> list[str]:
        return members(self.pack(*exclude))


def members(packed: Bundle) -> list[str]:
    assert packed.archive is not None
    with tarfile.open(packed.archive) as archive:
        return archive.getnames()


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return Source(tmp_path)


def test_the_same_content_gives_the_same_archive(source: Source) -> None:
    for name in ("b.py", "a/c.py", "a.py"):
        source.write(name, name)
    first = source.pack(store="one")
    for path in source.directory.rglob("*"):
        os.utime(path, (1, 1))
    (source.directory / "a.py").chmod(0o664)
    second = source.pack(store="two")
    assert first.archive is not None and second.archive is not None
    assert first.digest == second.digest
    assert first.archive.read_bytes() == second.archive.read_bytes()
    assert first.archive.name == f"{first.digest}.tar.gz"
    assert members(first) == ["a/c.py", "a.py", "b.py"]


def test_owners_and_times_of_this_machine_are_left_out(source: Source) -> None:
    source.write("run.sh", mode=0o700)
    source.write("data", mode=0o600)
    packed = source.pack()
    assert packed.archive is not None
    with tarfile.open(packed.archive) as archive:
        assert [(item.name, item.mode, item.uid, item.uname, item.mtime) for item in archive] == [
            ("data", 0o644, 0, "", 0),
            ("run.sh", 0o755, 0, "", 0),
        ]


def test_the_digest_changes_with_content_name_mode_and_link(source: Source) -> None:
    source.write("a", "1")
    digests = [source.pack().digest]
    source.write("a", "2")
    digests.append(source.pack().digest)
    source.write("a", "2", mode=0o755)
    digests.append(source.pack().digest)
    (source.directory / "a").rename(source.directory / "b")
    digests.append(source.pack().digest)
    (source.directory / "l").symlink_to("b")
    digests.append(source.pack().digest)
    source.write("c")
    (source.directory / "l").unlink()
    (source.directory / "l").symlink_to("c")
    digests.append(source.pack().digest)
    assert len(set(digests)) == len(digests)


def test_what_gitignore_names_is_left_out(source: Source) -> None:
    source.write(".gitignore", "*.log\n!keep.log\n/build/\n# comment\n")
    for name in ("a.py", "a.log", "keep.log", "build/x", "lib/build/x", "lib/b.log"):
        source.write(name)
    assert source.names() == [".gitignore", "a.py", "keep.log", "lib/build/x"]


def test_a_nested_gitignore_counts_below_it_and_wins_there(source: Source) -> None:
    source.write(".gitignore", "*.log\n")
    source.write("lib/.gitignore", "!*.log\nlocal.py\n/only-here\n")
    for name in ("a.log", "local.py", "lib/b.log", "lib/local.py", "lib/sub/local.py",
                 "lib/only-here", "lib/sub/only-here"):  # fmt: skip
        source.write(name)
    assert source.names() == [
        ".gitignore", "lib/.gitignore", "lib/b.log", "lib/sub/only-here", "local.py",
    ]  # fmt: skip


def test_the_same_as_git_itself_would_take(source: Source) -> None:
    source.write(".gitignore", "*.log\n!keep.log\n/build/\nout\ndoc/*.txt\n**/tmp/\n")
    source.write("lib/.gitignore", "!*.log\nlocal.py\n")
    for name in ("a.py", "a.log", "keep.log", "build/x", "lib/build/x", "lib/b.log", "out/x",
                 "lib/local.py", "doc/a.txt", "doc/sub/b.txt", "lib/tmp/x"):  # fmt: skip
        source.write(name)
    subprocess.run(["git", "init", "-q"], cwd=source.directory, check=True)
    listed = subprocess.run(
        ["git", "ls-files", "--others", "--exclude-standard"],
        cwd=source.directory, check=True, capture_output=True, text=True,
    ).stdout.split()  # fmt: skip
    assert sorted(source.names()) == sorted(listed)


def test_version_control_caches_and_exclusions_are_left_out(source: Source) -> None:
    for name in ("a.py", ".git/config", ".venv/x", "b/__pycache__/a.pyc", "tests/t.py", "x.sqlite"):
        source.write(name)
    assert source.names("tests/", "*.sqlite") == ["a.py"]


def test_links_inside_are_kept_and_not_followed(source: Source) -> None:
    source.write("lib/a.py")
    (source.directory / "link.py").symlink_to("lib/a.py")
    (source.directory / "folder").symlink_to("lib")
    assert source.names() == ["folder", "lib/a.py", "link.py"]


@pytest.mark.parametrize("target", ["../../../outside", "/etc/passwd", "up/..", "ABSOLUTE/a.py"])
def test_a_link_that_leads_out_is_refused(source: Source, target: str) -> None:
    source.write("a.py")
    source.write("deep/er/x")
    (source.directory / "deep/er/up").symlink_to("../..")
    link = source.directory / "deep/er/link"
    link.symlink_to(target.replace("ABSOLUTE", str(source.directory)))
    with pytest.raises(SourceError, match=r"link links to .*, outside the source"):
        source.pack()


def test_a_socket_is_refused(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(source.directory)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s.sock")
        with pytest.raises(SourceError, match="neither a file nor a link"):
            source.pack()


def test_a_missing_or_empty_directory(source: Source) -> None:
    with pytest.raises(SourceError, match="holds no files"):
        source.pack()
    source.directory.rmdir()
    with pytest.raises(SourceError, match="src cannot be read: No such file or directory"):
        source.pack()


def test_a_source_is_read_once_per_run(source: Source) -> None:
    source.write("a.py", "1")
    wanted = DirectorySource(directory="src")
    first = bundle.pack(wanted, source.project, source.root / "store")
    source.write("a.py", "2")
    assert bundle.pack(wanted, source.project, source.root / "store") == first
    assert source.pack() != first


def test_bundles_that_nobody_asks_for_are_removed(source: Source) -> None:
    packed = []
    for text in ("1", "2"):
        source.write("a.py", text)
        packed.append(source.pack().archive)
    old, used = packed
    assert old is not None and used is not None
    for archive in (old, used):
        os.utime(archive, (1, 1))
    source.pack()
    source.write("a.py", "3")
    source.pack()
    assert not old.exists()
    assert used.exists()


def test_a_package_has_a_digest_and_no_archive(tmp_path: Path) -> None:
    one = bundle.pack(PypiSource(pypi="httpbin", version="0.10.1"), tmp_path, tmp_path)
    two = bundle.pack(PypiSource(pypi="httpbin", version="0.10.2"), tmp_path, tmp_path)
    assert one.digest != two.digest
    assert one.archive is None
    with pytest.raises(SourceError):
        read_member(one, "requirements.txt")


def test_a_member_is_read_from_the_archive(source: Source) -> None:
    source.write("req/base.txt", "flask")
    packed = source.pack()
    source.write("req/base.txt", "changed since")
    assert read_member(packed, "./req/base.txt") == b"flask"
    with pytest.raises(SourceError, match=r"src has no file requirements\.txt"):
        read_member(packed, "requirements.txt")


class Repository:
    """A real repository next to the project."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.directory = root / "repo"
        self.directory.mkdir()
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments: str) -> str:
        identity = ["-c", "user.name=n", "-c", "user.email=e@example.com"]
        return subprocess.run(
            ["git", *identity, *arguments],
            cwd=self.directory, check=True, capture_output=True, text=True,
        ).stdout.strip()  # fmt: skip

    def commit(self, path: str, text: str) -> str:
        file = self.directory / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        self.git("add", "-f", ".")
        self.git("commit", "-q", "-m", path)
        return self.git("rev-parse", "HEAD")

    def pack(self, ref: str, path: str = ".", url: str = "../repo") -> Bundle:
        bundle._pack.cache_clear()
        (self.root / "project").mkdir(exist_ok=True)
        source = GitSource(git=url, ref=ref, path=path)
        return bundle.pack(source, self.root / "project", self.root / "store")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


def test_tag_branch_and_commit_of_a_repository(repository: Repository) -> None:
    first = repository.commit("a.py", "1")
    repository.git("tag", "-a", "v1", "-m", "v1")
    tagged = repository.pack("v1")
    assert tagged.label == f"repo v1 ({first[:12]})"
    second = repository.commit("a.py", "2")
    assert repository.pack("v1").digest == repository.pack(first).digest == tagged.digest
    assert read_member(repository.pack("main"), "a.py") == b"2"
    assert repository.pack(second).digest == repository.pack(second[:10]).digest
    repository.commit("a.py", "3")
    assert read_member(repository.pack("main"), "a.py") == b"3"


def test_a_moved_tag_is_followed(repository: Repository) -> None:
    repository.commit("a.py", "1")
    repository.git("tag", "live")
    repository.pack("live")
    repository.commit("a.py", "2")
    repository.git("tag", "-f", "live")
    assert read_member(repository.pack("live"), "a.py") == b"2"


def test_a_known_commit_needs_no_repository(repository: Repository) -> None:
    commit = repository.commit("a.py", "1")
    first = repository.pack(commit)
    repository.directory.rename(repository.root / "away")
    assert repository.pack(commit) == first
    with pytest.raises(SourceError, match="git fetch: "):
        repository.pack("main")


def test_a_directory_of_a_repository(repository: Repository) -> None:
    repository.commit("README", "top")
    repository.commit("web/a.py", "1")
    assert members(repository.pack("main", "web")) == ["a.py"]
    assert members(repository.pack("main", "web/")) == ["a.py"]
    with pytest.raises(SourceError, match="path 'gone' does not exist"):
        repository.pack("main", "gone")
    with pytest.raises(SourceError, match="has no directory README"):
        repository.pack("main", "README")


def test_what_is_committed_is_taken_whatever_gitignore_says(repository: Repository) -> None:
    repository.commit(".gitignore", "dist/\n")
    repository.commit("dist/app.js", "1")
    assert members(repository.pack("main")) == [".gitignore", "dist/app.js"]


def test_a_missing_ref_or_repository(repository: Repository) -> None:
    repository.commit("a.py", "1")
    with pytest.raises(SourceError, match=r"\.\./repo has no tag, branch or commit v9"):
        repository.pack("v9")
    with pytest.raises(SourceError, match=r"git clone: fatal: repository .* does not exist"):
        repository.pack("main", url="../gone")
    assert not list((repository.root / "store/git").glob("*.[0-9]*"))


def test_hosts_that_fetch_at_once_do_not_meet(repository: Repository) -> None:
    repository.commit("a.py", "1")
    with ThreadPoolExecutor(4) as pool:
        packed = list(pool.map(lambda _: repository.pack("main"), range(4)))
    assert len(set(packed)) == 1


def test_the_repository_of_a_git_hook_is_not_taken_for_the_source(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.commit("a.py", "1")
    other = repository.root / "other"
    subprocess.run(["git", "init", "-q", str(other)], check=True)
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    assert members(repository.pack("main")) == ["a.py"]
