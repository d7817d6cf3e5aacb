"""Reads sources that are a single file: archives, and files on a web server."""

from __future__ import annotations

import hashlib
import os
import stat
import tarfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from groundcrew.releases.tree import SourceError

TIMEOUT = 60
"""Seconds without a byte after which a download has failed."""
BLOCK = 1 << 20


def checksum(path: Path) -> str:
    """SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def checked(path: Path, sha256: str | None, name: str) -> str:
    """The file's SHA-256. Raises SourceError if it differs from `sha256`."""
    actual = checksum(path)
    if sha256 not in (None, actual):
        raise SourceError(f"{name} has the SHA-256 {actual}, not {sha256}")
    return actual


def download(url: str, sha256: str, store: Path) -> Path:
    """The file at `url`, from `store` if it has been downloaded before.

    Raises SourceError if it cannot be downloaded or its SHA-256 is not `sha256`.
    """
    name = url.partition("?")[0].partition("#")[0].rsplit("/", 1)[-1]
    # In its own directory: a wheel's name carries its version and must not change.
    target = store / "downloads" / sha256 / name
    if target.exists() and checksum(target) == sha256:
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{name}.{os.getpid()}")
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as answer, partial.open("wb") as file:  # noqa: S310
            while block := answer.read(BLOCK):
                file.write(block)
        checked(partial, sha256, url)
        partial.replace(target)
    except urllib.error.HTTPError as error:
        raise SourceError(f"{url}: {error.code} {error.reason}") from None
    except OSError as error:
        raise SourceError(f"{url}: {getattr(error, 'reason', error)}") from None
    finally:
        partial.unlink(missing_ok=True)
    return target


@contextmanager
def unpacked(archive: Path) -> Iterator[Path]:
    """A temporary directory with the archive's files. If all of them lie in one directory, as in
    releases of forges and Python sdists, that directory is returned.

    Raises SourceError for a file that is no archive and for members that point outside it.
    """
    with TemporaryDirectory(prefix="groundcrew-") as folder:
        root = Path(folder)
        try:
            if archive.name.endswith(".zip"):
                _unzip(archive, root)
            else:
                with tarfile.open(archive) as packed:
                    packed.extractall(root, filter="data")
        except (tarfile.TarError, zipfile.BadZipFile, EOFError) as error:
            raise SourceError(f"{archive} cannot be unpacked: {error}") from None
        entries = list(root.iterdir())
        yield entries[0] if len(entries) == 1 and entries[0].is_dir() else root


def _unzip(archive: Path, root: Path) -> None:
    """Keeps modes and links, which zipfile ignores; zipfile itself keeps members inside `root`."""
    links: list[tuple[Path, str]] = []
    with zipfile.ZipFile(archive) as packed:
        for info in packed.infolist():
            mode = info.external_attr >> 16
            if stat.S_ISLNK(mode):
                links.append((root / info.filename, packed.read(info).decode()))
                continue
            path = Path(packed.extract(info, root))
            if mode & stat.S_IXUSR and path.is_file():
                path.chmod(0o755)
    # Links come last, so that nothing is written through one. tree.files refuses those that point
    # outside the source.
    for path, target in links:
        if not path.parent.resolve().is_relative_to(root.resolve()):
            raise SourceError(f"{archive} has a link outside of it: {path}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target)
