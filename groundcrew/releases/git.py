"""Reads a commit of a git repository, on the operator's machine and with its own keys."""

from __future__ import annotations

import hashlib
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

COMMIT = re.compile(r"^[0-9a-f]{40}$")


class GitError(Exception):
    """git said no; the message is git's own last line."""


def fetch(url: str, ref: str, cache: Path, project: Path) -> str:
    """The commit that `ref` (tag, branch or commit) names, present in the local mirror."""
    mirror = _mirror(url, cache)
    if COMMIT.match(ref) and _has(mirror, ref):
        return ref
    if (mirror / "HEAD").exists():
        _git("fetch", "--quiet", "--prune", "--tags", "--force", "origin", at=mirror)
    else:
        mirror.parent.mkdir(parents=True, exist_ok=True)
        local = project / Path(url).expanduser()
        origin = str(local.resolve()) if local.exists() else url
        _git("clone", "--quiet", "--mirror", "--", origin, str(mirror))
    for name in (f"refs/tags/{ref}", f"refs/heads/{ref}", ref):
        if _has(mirror, name):
            return _git("rev-parse", "--verify", f"{name}^{{commit}}", at=mirror).strip()
    raise GitError(f"{url} has no tag, branch or commit {ref}")


@contextmanager
def export(url: str, commit: str, path: str, cache: Path) -> Iterator[Path]:
    """A temporary directory with the files of `path` at `commit`."""
    mirror = _mirror(url, cache)
    tree = commit if path in (".", "") else f"{commit}:{path}"
    with tempfile.TemporaryDirectory(prefix="groundcrew-") as directory:
        packed = Path(directory) / "tree.tar"
        _git("archive", "--format=tar", f"--output={packed}", tree, at=mirror)
        files = Path(directory) / "tree"
        files.mkdir()
        subprocess.run(["tar", "-xf", str(packed), "-C", str(files)], check=True)
        yield files


def _mirror(url: str, cache: Path) -> Path:
    return cache / hashlib.sha256(url.encode()).hexdigest()[:16]


def _has(mirror: Path, name: str) -> bool:
    done = subprocess.run(
        ["git", "-C", str(mirror), "cat-file", "-e", f"{name}^{{commit}}"],
        capture_output=True,
        check=False,
    )
    return done.returncode == 0


def _git(*arguments: str, at: Path | None = None) -> str:
    where = ["-C", str(at)] if at else []
    try:
        done = subprocess.run(
            ["git", *where, *arguments], capture_output=True, text=True, timeout=600, check=False
        )
    except FileNotFoundError:
        raise GitError("git is not installed on this machine") from None
    except subprocess.TimeoutExpired:
        raise GitError("git took longer than 10 minutes") from None
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise GitError(f"git {arguments[0]}: {lines[-1]}")
    return done.stdout
