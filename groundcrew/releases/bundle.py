"""Packs an application's source into one archive, named after its content.

One archive uploads several times faster than many small files. The same content always has the same
digest, which is how an unchanged application is recognised.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import stat
import tarfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from threading import RLock

from groundcrew.manifest.frontend import Frontend
from groundcrew.manifest.source import (
    DirectorySource,
    FileSource,
    GitSource,
    PypiSource,
    Source,
    UrlSource,
)
from groundcrew.releases import archives, git, placeholders, pointers, tree
from groundcrew.releases.tree import SourceError

__all__ = [
    "Bundle",
    "SourceError",
    "archive",
    "kept",
    "names",
    "pack",
    "path",
    "read_member",
    "replaced",
]

KEPT_SECONDS = 30 * 86400
"""Age at which an unused bundle is removed from the operator's machine."""

_lock = RLock()


@dataclass(frozen=True)
class Bundle:
    """A packed source. `archive` is None for a package from an index; `wheel` is the name of the
    file in the archive that is installed."""

    digest: str
    label: str
    archive: Path | None
    wheel: str | None = None
    sha256: str | None = None
    """The wheel's own checksum."""

    described: str | None = None
    """Output of `git describe` for the source: last tag, number of commits since, and the
    commit."""


def pack(
    source: Source,
    project: Path,
    store: Path,
    frontend: Frontend | None = None,
    shared: Sequence[str] = (),
) -> Bundle:
    """The source's bundle, written below `store` unless it is there already.

    Of a `frontend` the bundle contains the sources, or only the result if it is already built. It
    contains nothing of `shared` directories, which outlive releases.

    A source is read once per run, so that all hosts get the same code even if a branch moves or a
    file is saved meanwhile. Raises SourceError, with the reason, if it cannot be read.
    """
    with _lock:
        return _pack(source, project, store, _selection(source, frontend, tuple(shared)))


@dataclass(frozen=True)
class _Selection:
    """What to pack of a source: patterns to exclude, directories to include even if ignored, and
    shared directories, for which the source must not bring content."""

    exclude: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()


def _selection(source: Source, frontend: Frontend | None, shared: tuple[str, ...]) -> _Selection:
    own = getattr(source, "exclude", ())
    if frontend is None:
        return _Selection(exclude=own, shared=shared)
    folder = PurePosixPath(frontend.directory)
    output = str(folder / frontend.output)
    left = [str(folder / "node_modules")]
    if frontend.build == "none":
        # Ignore files usually list build output.
        exclude = tuple(f"/{name}/" for name in left)
        return _Selection((*own, *exclude), include=(output,), shared=shared)
    exclude = tuple(f"/{name}/" for name in [*left, output])
    return _Selection((*own, *exclude), shared=shared)


@cache
def _pack(
    source: Source, project: Path, store: Path, selection: _Selection = _Selection()
) -> Bundle:
    try:
        match source:
            case PypiSource():
                label = f"{source.pypi}=={source.version}"
                return Bundle(hashlib.sha256(label.encode()).hexdigest(), label, None)
            case GitSource():
                return _pack_commit(source, project, store, selection)
            case FileSource():
                local = project / Path(source.file).expanduser()
                return _pack_file(local, source.sha256, store, selection)
            case UrlSource():
                local = archives.download(source.url, source.sha256, store)
                return _pack_file(local, source.sha256, store, selection)
            case _:
                return _pack_directory(source, project, store, selection)
    except git.GitError as error:
        raise SourceError(str(error)) from None
    except OSError as error:
        raise SourceError(f"{error.filename} cannot be read: {error.strerror}") from None


def _pack_directory(
    source: DirectorySource, project: Path, store: Path, selection: _Selection
) -> Bundle:
    directory = project / Path(source.directory).expanduser()
    tracked = git.tracked(directory) if directory.is_dir() else None
    files = tree.files(
        directory,
        selection.exclude,
        gitignore=True,
        include=selection.include,
        tracked=tracked or (),
    )
    kept = placeholders.without(directory, sorted(files), selection.shared)
    pointers.refuse(directory, kept, f"run `git lfs pull` in {directory}")
    packed = _archive(directory, kept, store, directory.resolve().name)
    return replace(packed, described=git.describe(directory) if tracked else None)


def _pack_commit(source: GitSource, project: Path, store: Path, selection: _Selection) -> Bundle:
    key = project / Path(source.deploy_key).expanduser() if source.deploy_key else None
    repository = git.Repository(source.git, store / "git", project, key)
    commit = repository.fetch(source.ref)
    name = source.git.rstrip("/").rsplit("/", 1)[-1].removesuffix(".git")
    label = f"{name} {source.ref} ({commit[:12]})"
    with repository.export(commit, source.path, submodules=source.submodules) as export:
        directory = export.directory
        # Committed files belong to the source, whatever .gitignore says.
        files = sorted(tree.files(directory, selection.exclude, gitignore=False))
        kept = placeholders.without(directory, files, selection.shared)
        export.fetch_content(kept)
        pointers.refuse(
            directory, kept, "install git-lfs on this machine, so that its content is fetched"
        )
        packed = _archive(directory, kept, store, label)
    return replace(packed, described=repository.describe(commit, source.ref))


def _pack_file(file: Path, sha256: str | None, store: Path, selection: _Selection) -> Bundle:
    digest = archives.checked(file, sha256, file.name)
    if file.name.endswith(".whl"):
        packed = _archive(file.parent, [file], store, file.name)
        return Bundle(packed.digest, file.name, packed.archive, wheel=file.name, sha256=digest)
    # Named after the file itself: it is unpacked once.
    if selection.exclude or selection.shared:
        told = f"{digest} {selection.exclude} {selection.shared}"
        digest = hashlib.sha256(told.encode()).hexdigest()
    if kept(store, digest):
        return Bundle(digest, file.name, path(store, digest))
    with archives.unpacked(file) as directory:
        files = sorted(tree.files(directory, selection.exclude, gitignore=False))
        own = placeholders.without(directory, files, selection.shared)
        pointers.refuse(directory, own, "take the source with `git`, which fetches its content")
        return _archive(directory, own, store, file.name, digest=digest)


def path(store: Path, digest: str) -> Path:
    """Path of the bundle with this digest."""
    return store / "bundles" / f"{digest}.tar.gz"


def kept(store: Path, digest: str) -> bool:
    """Whether the bundle with this digest exists. Renews its age (see KEPT_SECONDS)."""
    try:
        os.utime(path(store, digest))
    except FileNotFoundError:
        return False
    return True


def archive(directory: Path, store: Path, label: str, digest: str) -> Bundle:
    """Packs all files of a directory. `digest` identifies the inputs that they were made from."""
    files = [item for item in directory.rglob("*") if item.is_symlink() or item.is_file()]
    return _archive(directory, sorted(files), store, label, digest)


def _archive(
    directory: Path, files: Sequence[Path], store: Path, label: str, digest: str | None = None
) -> Bundle:
    if not files:
        raise SourceError(f"{directory} holds no files")
    members = {str(item.relative_to(directory)): item for item in files}
    digest = digest or _digest(members)
    target = path(store, digest)
    if not kept(store, digest):
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_old(target.parent)
        partial = target.with_suffix(f".{os.getpid()}")
        _write(partial, members)
        partial.replace(target)
    return Bundle(digest, label, target)


def _remove_old(folder: Path) -> None:
    for item in folder.iterdir():
        # A concurrent run may remove it first.
        with suppress(FileNotFoundError):
            if time.time() - item.stat().st_mtime > KEPT_SECONDS:
                item.unlink()


def _digest(members: Mapping[str, Path]) -> str:
    digest = hashlib.sha256()
    for name, item in members.items():
        link = item.is_symlink()
        kind = "link" if link else oct(_mode(item.stat().st_mode))
        content = os.fsencode(item.readlink()) if link else item.read_bytes()
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
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        for name, item in members.items():
            tar.add(item, name, recursive=False, filter=plain)


def replaced(bundle: Bundle, contents: Mapping[str, bytes], store: Path) -> Bundle:
    """The bundle with the content of some files replaced."""
    if not contents:
        return bundle
    assert bundle.archive
    told = hashlib.sha256(bundle.digest.encode())
    for name, content in sorted(contents.items()):
        told.update(f"\0{name}\0{len(content)}\0".encode() + content)
    digest = told.hexdigest()
    with _lock, TemporaryDirectory(prefix="groundcrew-") as folder:
        if not kept(store, digest):
            root = Path(folder)
            with tarfile.open(bundle.archive) as tar:
                tar.extractall(root, filter="data")
            for name, content in contents.items():
                (root / name).write_bytes(content)
            archive(root, store, bundle.label, digest)
    return replace(bundle, digest=digest, archive=path(store, digest))


@cache
def names(bundle: Bundle) -> frozenset[str]:
    """Paths of all files of a packed source; none for a package from an index."""
    if bundle.archive is None:
        return frozenset()
    with tarfile.open(bundle.archive) as tar:
        return frozenset(tar.getnames())


def read_member(bundle: Bundle, name: str) -> bytes:
    """Content of one file of a packed source. Raises SourceError if there is no such file."""
    if bundle.archive is None:
        raise SourceError(f"{bundle.label} has no files here")
    with tarfile.open(bundle.archive) as tar:
        try:
            member = tar.extractfile(str(PurePosixPath(name)))
        except KeyError:
            member = None
        if member is None:
            raise SourceError(f"{bundle.label} has no file {name}")
        return member.read()
