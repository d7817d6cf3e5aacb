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
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pathspec

from groundcrew.apps.source import GitSource, PypiSource, Source
from groundcrew.releases import git

ALWAYS_EXCLUDED = (".git/", ".hg/", ".svn/", "__pycache__/", "*.pyc", ".venv/", ".groundcrew/")


class SourceError(Exception):
    """The source cannot be packed; the message says why."""


@dataclass(frozen=True)
class Bundle:
    """A packed source. `archive` is None for a package that comes from an index."""

    digest: str
    label: str
    archive: Path | None


def pack(source: Source, project: Path, cache: Path) -> Bundle:
    """The source's bundle, written below `cache` unless it is there already.

    Raises SourceError, with the reason, where the source cannot be read.
    """
    if isinstance(source, PypiSource):
        label = f"{source.pypi}=={source.version}"
        return Bundle(hashlib.sha256(label.encode()).hexdigest(), label, None)
    if isinstance(source, GitSource):
        try:
            commit = git.fetch(source.git, source.ref, cache / "git", project)
            tree = git.export(source.git, commit, source.path, cache / "git")
        except git.GitError as error:
            raise SourceError(str(error)) from None
        name = source.git.rstrip("/").rsplit("/", 1)[-1].removesuffix(".git")
        label = f"{name} {source.ref} ({commit[:12]})"
        with tree as directory:
            return _archive(directory, (), cache, label)
    directory = project / Path(source.directory).expanduser()
    return _archive(directory, source.exclude, cache, directory.resolve().name)


def _archive(directory: Path, exclude: tuple[str, ...], cache: Path, label: str) -> Bundle:
    files = sorted(_files(directory, exclude))
    if not files:
        raise SourceError(f"{directory} holds no files")
    digest = hashlib.sha256()
    for path in files:
        state = path.lstat()
        kind = "link" if path.is_symlink() else oct(_mode(state.st_mode))
        content = str(path.readlink()).encode() if path.is_symlink() else path.read_bytes()
        digest.update(f"{path.relative_to(directory)}\0{kind}\0{len(content)}\0".encode())
        digest.update(content)
    target = cache / "bundles" / f"{digest.hexdigest()}.tar.gz"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_suffix(f".{os.getpid()}")
        _write(partial, directory, files)
        partial.replace(target)
    return Bundle(digest.hexdigest(), label, target)


def _files(directory: Path, exclude: tuple[str, ...]) -> Iterator[Path]:
    """Files and links below `directory` that no .gitignore on the way excludes."""
    top = pathspec.GitIgnoreSpec.from_lines([*ALWAYS_EXCLUDED, *exclude])
    ignores: dict[Path, pathspec.GitIgnoreSpec] = {}
    for name, folders, names in os.walk(directory):
        here = Path(name)
        if ".gitignore" in names:
            text = (here / ".gitignore").read_text(encoding="utf-8")
            ignores[here] = pathspec.GitIgnoreSpec.from_lines(text.splitlines())

        def ignored(path: Path, suffix: str = "") -> bool:
            return top.match_file(f"{path.relative_to(directory)}{suffix}") or any(
                spec.match_file(f"{path.relative_to(base)}{suffix}")
                for base, spec in ignores.items()
                if path.is_relative_to(base)
            )

        links = [folder for folder in folders if (here / folder).is_symlink()]
        folders[:] = [
            folder for folder in folders if folder not in links and not ignored(here / folder, "/")
        ]
        for item in [*names, *links]:
            path = here / item
            if not ignored(path):
                yield _checked(path, directory)


def _checked(path: Path, directory: Path) -> Path:
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        target = Path(os.path.normpath(path.parent / path.readlink()))
        if not target.is_relative_to(os.path.normpath(directory)):
            raise SourceError(f"{path} links to {path.readlink()}, outside the source")
    elif not stat.S_ISREG(mode):
        raise SourceError(f"{path} is neither a file nor a link")
    return path


def _mode(mode: int) -> int:
    return 0o755 if mode & stat.S_IXUSR else 0o644


def _write(target: Path, directory: Path, files: list[Path]) -> None:
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
        for path in files:
            archive.add(path, str(path.relative_to(directory)), recursive=False, filter=plain)


def read_member(bundle: Bundle, name: str) -> bytes:
    """Content of one file of a packed source. Raises SourceError where it has none."""
    if bundle.archive is None:
        raise SourceError(f"{bundle.label} has no files here")
    with tarfile.open(bundle.archive) as archive:
        try:
            member = archive.extractfile(name)
        except KeyError:
            member = None
        if member is None:
            raise SourceError(f"{bundle.label} has no file {name}")
        return member.read()
