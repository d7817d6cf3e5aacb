"""Reads a commit of a git repository, on the operator's machine and with its own keys."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

COMMIT = re.compile(r"^[0-9a-f]{40}$")
TIMEOUT = 600
"""Seconds that one git command may take."""


class GitError(Exception):
    """git said no; the message is git's own last line."""


def fetch(url: str, ref: str, mirrors: Path, project: Path) -> str:
    """The commit that `ref` (tag, branch or commit) names, present in the local mirror."""
    mirror = _mirror(url, mirrors)
    if COMMIT.match(ref) and _has(mirror, ref):
        return ref
    if mirror.exists():
        _git("fetch", "--quiet", "--prune", "--tags", "--force", "origin", at=mirror)
    else:
        local = project / Path(url).expanduser()
        _clone(str(local.resolve()) if local.exists() else url, mirror)
    for name in (f"refs/tags/{ref}", f"refs/heads/{ref}", ref):
        if _has(mirror, name):
            return _git("rev-parse", "--verify", f"{name}^{{commit}}", at=mirror).strip()
    raise GitError(f"{url} has no tag, branch or commit {ref}")


def _clone(origin: str, mirror: Path) -> None:
    """Complete or not there: a clone that was cut off must not be taken for a mirror."""
    mirror.parent.mkdir(parents=True, exist_ok=True)
    partial = mirror.with_suffix(f".{os.getpid()}")
    try:
        _git("clone", "--quiet", "--mirror", "--", origin, str(partial))
        partial.rename(mirror)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def export(url: str, commit: str, path: str, mirrors: Path) -> Iterator[Path]:
    """A temporary directory with the files of `path` at `commit`."""
    mirror = _mirror(url, mirrors)
    folder = path.strip("/")
    tree = commit if folder in (".", "") else f"{commit}:{folder}"
    if _git("cat-file", "-t", tree, at=mirror).strip() not in ("commit", "tree"):
        raise GitError(f"{url} has no directory {path} at {commit[:12]}")
    with tempfile.TemporaryDirectory(prefix="groundcrew-") as directory:
        packed = Path(directory) / "tree.tar"
        _git("archive", "--format=tar", f"--output={packed}", tree, at=mirror)
        files = Path(directory) / "tree"
        files.mkdir()
        subprocess.run(["tar", "-xf", str(packed), "-C", str(files)], check=True)
        yield files


def _mirror(url: str, mirrors: Path) -> Path:
    return mirrors / hashlib.sha256(url.encode()).hexdigest()[:16]


def _has(mirror: Path, name: str) -> bool:
    try:
        _git("cat-file", "-e", f"{name}^{{commit}}", at=mirror)
    except GitError:
        return False
    return True


def _git(*arguments: str, at: Path | None = None) -> str:
    where = ["-C", str(at)] if at else []
    try:
        done = subprocess.run(
            ["git", *where, *arguments],
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
            env=_environment(),
        )
    except FileNotFoundError:
        raise GitError("git is not installed on this machine") from None
    except subprocess.TimeoutExpired:
        raise GitError(f"git {arguments[0]} took longer than {TIMEOUT} s") from None
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise GitError(f"git {arguments[0]}: {lines[-1]}")
    return done.stdout


def _environment() -> dict[str, str]:
    """Without what a git hook sets for its own repository; and no question for a password, which
    nobody would see."""
    own = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX")
    kept = {name: value for name, value in os.environ.items() if name not in own}
    return {**kept, "GIT_TERMINAL_PROMPT": "0"}
