"""Packs an application's source into one archive, named after its content.

One archive is several times faster than many small files, and the same content always gives the
same digest: that is how an unchanged application is known to be unchanged.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import stat
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from threading import RLock

from groundcrew.apps.source import FileSource, GitSource, PypiSource, Source, UrlSource
from groundcrew.releases import archives, git, tree
from groundcrew.releases.tree import SourceError

__all__ = ["Bundle", "SourceError", "names", "pack", "read_member"]

_lock = RLock()


@dataclass(frozen=True)
class Bundle:
    """A packed source. `archive` is None for a package that comes from an index; `wheel` is the
    name of the file in it that is to be installed."""

    digest: str
    label: str
    archive: Path | None
    wheel: str | None = None
    sha256: str | None = None
    """The wheel's own checksum."""


def pack(source: Source, project: Path, store: Path) -> Bundle:
    """The source's bundle, written below `store` unless it is there already.

    A source is read once per run, so that all hosts get the same code even when a branch moves or
    a file is saved meanwhile. Raises SourceError, with the reason, where it cannot be read.
    """
    with _lock:
        return _pack(source, project, store)


@cache
def _pack(source: Source, project: Path, store: Path) -> Bundle:
    try:
        match source:
            case PypiSource():
                label = f"{source.pypi}=={source.version}"
                return Bundle(hashlib.sha256(label.encode()).hexdigest(), label, None)
            case GitSource():
                return _pack_commit(source, project, store)
            case FileSource():
                path = project / Path(source.file).expanduser()
                return _pack_file(path, source.sha256, store)
            case UrlSource():
                path = archives.download(source.url, source.sha256, store)
                return _pack_file(path, source.sha256, store)
            case _:
                directory = project / Path(source.directory).expanduser()
                files = tree.files(directory, source.exclude, gitignore=True)
                return _archive(directory, sorted(files), store, directory.resolve().name)
    except git.GitError as error:
        raise SourceError(str(error)) from None
    except OSError as error:
        raise SourceError(f"{error.filename} cannot be read: {error.strerror}") from None


def _pack_commit(source: GitSource, project: Path, store: Path) -> Bundle:
    key = project / Path(source.deploy_key).expanduser() if source.deploy_key else None
    repository = git.Repository(source.git, store / "git", project, key)
    commit = repository.fetch(source.ref)
    name = source.git.rstrip("/").rsplit("/", 1)[-1].removesuffix(".git")
    label = f"{name} {source.ref} ({commit[:12]})"
    with repository.export(commit, source.path, submodules=source.submodules) as directory:
        # What is committed belongs to the source, whatever .gitignore says.
        files = tree.files(directory, (), gitignore=False)
        return _archive(directory, sorted(files), store, label)


def _pack_file(path: Path, sha256: str | None, store: Path) -> Bundle:
    found = archives.checked(path, sha256, path.name)
    if path.name.endswith(".whl"):
        packed = _archive(path.parent, [path], store, path.name)
        return Bundle(packed.digest, path.name, packed.archive, wheel=path.name, sha256=found)
    # Named after the file itself: it is unpacked once.
    target = store / "bundles" / f"{found}.tar.gz"
    if target.exists():
        return Bundle(found, path.name, target)
    with archives.unpacked(path) as directory:
        files = tree.files(directory, (), gitignore=False)
        return _archive(directory, sorted(files), store, path.name, digest=found)


def _archive(
    directory: Path, files: Sequence[Path], store: Path, label: str, digest: str | None = None
) -> Bundle:
    if not files:
        raise SourceError(f"{directory} holds no files")
    members = {str(path.relative_to(directory)): path for path in files}
    digest = digest or _digest(members)
    target = store / "bundles" / f"{digest}.tar.gz"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_suffix(f".{os.getpid()}")
        _write(partial, members)
        partial.replace(target)
    return Bundle(digest, label, target)


def _digest(members: Mapping[str, Path]) -> str:
    digest = hashlib.sha256()
    for name, path in members.items():
        link = path.is_symlink()
        kind = "link" if link else oct(_mode(path.stat().st_mode))
        content = os.fsencode(path.readlink()) if link else path.read_bytes()
        digest.update(os.fsencode(name))
        digest.update(f"\0{kind}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _mode(mode: int) -> int:
    return 0o755 if mode & stat.S_IXUSR else 0o644


def _write(target: Path, members: Mapping[str, Path]) -> None:
    def plain(info: tarfile.TarInfo) -> tarfile.TarInfo:
        info.uid = info.gid = 0
        info.uname = info.gname = ""
        info.mtime = 0
        info.mode = _mode(info.mode)
        return info

    with (
        target.open("wb") as raw,
        gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=6, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as archive,
    ):
        for name, path in members.items():
            archive.add(path, name, recursive=False, filter=plain)


@cache
def names(bundle: Bundle) -> frozenset[str]:
    """Paths of all files of a packed source; none for a package from an index."""
    if bundle.archive is None:
        return frozenset()
    with tarfile.open(bundle.archive) as archive:
        return frozenset(archive.getnames())


def read_member(bundle: Bundle, name: str) -> bytes:
    """Content of one file of a packed source. Raises SourceError where it has none."""
    if bundle.archive is None:
        raise SourceError(f"{bundle.label} has no files here")
    with tarfile.open(bundle.archive) as archive:
        try:
            member = archive.extractfile(str(PurePosixPath(name)))
        except KeyError:
            member = None
        if member is None:
            raise SourceError(f"{bundle.label} has no file {name}")
        return member.read()
