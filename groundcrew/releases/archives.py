"""Reads what comes as one file: archives, and files of a web server."""

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
    """The file's checksum. Raises SourceError where it is not the one that is wanted."""
    found = checksum(path)
    if sha256 not in (None, found):
        raise SourceError(f"{name} has the SHA-256 {found}, not {sha256}")
    return found


def download(url: str, sha256: str, store: Path) -> Path:
    """The file at `url`, from `store` where it has been fetched before.

    Raises SourceError where it cannot be fetched or is another one than `sha256` says.
    """
    name = url.partition("?")[0].partition("#")[0].rsplit("/", 1)[-1]
    # In a directory of its own, since a wheel's name carries its version and must stay.
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
    """A temporary directory with the archive's files; where all lie in one directory, as releases
    of forges and of Python packages have it, that directory.

    Raises SourceError for what is no archive, and for members that lead out of it.
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
        found = list(root.iterdir())
        yield found[0] if len(found) == 1 and found[0].is_dir() else root


def _unzip(archive: Path, root: Path) -> None:
    """zipfile keeps members inside, but knows neither modes nor links."""
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
    # Last, so that nothing is written through one; tree.files refuses those that lead out.
    for path, target in links:
        if not path.parent.resolve().is_relative_to(root.resolve()):
            raise SourceError(f"{archive} has a link outside of it: {path}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target)
