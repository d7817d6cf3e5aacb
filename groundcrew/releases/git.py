"""Reads a commit of a git repository, on the operator's machine and with its own keys."""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

COMMIT = re.compile(r"^[0-9a-f]{40}$")
TIMEOUT = 600
"""Seconds that one git command may take."""
_REMOTE = re.compile(r"^(https?|ssh|git)://|^[\w.-]+@[\w.-]+:")
# What git says last is often only advice.
_ADVICE = re.compile(r"^(and the repository exists\.|Please make sure you have .*|)$")


class GitError(Exception):
    """git said no; the message is git's own."""


@dataclass(frozen=True)
class Repository:
    """A repository and its local mirror."""

    url: str
    mirrors: Path
    """Directory of all mirrors."""

    project: Path
    """What a relative path is relative to."""

    key: Path | None = None
    """SSH key to use, and no other."""

    @property
    def mirror(self) -> Path:
        """The local mirror."""
        return self.mirrors / hashlib.sha256(self.url.encode()).hexdigest()[:16]

    @property
    def origin(self) -> str:
        """The URL, or the absolute path of a repository on this machine."""
        local = self.project / Path(self.url).expanduser()
        return str(local.resolve()) if local.exists() else self.url

    def fetch(self, ref: str) -> str:
        """The commit that `ref` (tag, branch or commit) names, present in the local mirror."""
        if COMMIT.match(ref) and self._has(f"{ref}^{{commit}}"):
            return ref
        if self.mirror.exists():
            self._git("fetch", "--quiet", "--prune", "--tags", "--force", "origin")
        else:
            self._clone()
        for name in (f"refs/tags/{ref}", f"refs/heads/{ref}", ref):
            if self._has(f"{name}^{{commit}}"):
                return self._git("rev-parse", "--verify", f"{name}^{{commit}}").strip()
        raise GitError(f"{self.url} has no tag, branch or commit {ref}")

    def _clone(self) -> None:
        """Complete or not there: a clone that was cut off must not be taken for a mirror."""
        self.mirror.parent.mkdir(parents=True, exist_ok=True)
        partial = self.mirror.with_suffix(f".{os.getpid()}")
        try:
            _run(["clone", "--quiet", "--mirror", "--", self.origin, str(partial)], self.key)
            partial.rename(self.mirror)
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    @contextmanager
    def export(self, commit: str, path: str, *, submodules: bool = False) -> Iterator[Path]:
        """A temporary directory with the files of `path` at `commit`."""
        folder = path.strip("/")
        tree = commit if folder in (".", "") else f"{commit}:{folder}"
        if self._git("cat-file", "-t", tree).strip() not in ("commit", "tree"):
            raise GitError(f"{self.url} has no directory {path} at {commit[:12]}")
        with tempfile.TemporaryDirectory(prefix="groundcrew-") as directory:
            files = Path(directory) / "tree"
            self._unpack(tree, files)
            if submodules:
                self._add_submodules(commit, PurePosixPath(folder), files)
            yield files

    def _unpack(self, tree: str, target: Path) -> None:
        packed = target.with_name(f"{target.name}.tar")
        target.mkdir(exist_ok=True)
        self._git("archive", "--format=tar", f"--output={packed}", tree)
        subprocess.run(["tar", "-xf", str(packed), "-C", str(target)], check=True)
        packed.unlink()

    def _add_submodules(self, commit: str, folder: PurePosixPath, files: Path) -> None:
        """Each at the commit that this one names, and its own in it."""
        urls = self._submodule_urls(commit)
        for line in self._git("ls-tree", "-r", "-z", commit).split("\0"):
            described, _, name = line.partition("\t")
            kind = described.split(" ")
            path = PurePosixPath(name)
            if len(kind) != 3 or kind[1] != "commit" or not path.is_relative_to(folder):
                continue
            if name not in urls:
                raise GitError(f"{self.url}: .gitmodules names no URL for {name}")
            inner = replace(self, url=self._submodule(urls[name]))
            target = files / path.relative_to(folder)
            inner._unpack(inner.fetch(kind[2]), target)
            inner._add_submodules(kind[2], PurePosixPath(), target)

    def _submodule_urls(self, commit: str) -> dict[str, str]:
        if not self._has(f"{commit}:.gitmodules"):
            return {}
        listed = self._git(
            "config", "--blob", f"{commit}:.gitmodules", "--null", "--get-regexp",
            r"^submodule\..*\.(path|url)$",
        )  # fmt: skip
        found: dict[str, dict[str, str]] = {}
        for item in listed.split("\0"):
            key, _, value = item.partition("\n")
            if key:
                name, _, kind = key.rpartition(".")
                found.setdefault(name, {})[kind] = value
        return {item["path"]: item["url"] for item in found.values() if len(item) == 2}

    def _submodule(self, url: str) -> str:
        """The URL of a submodule. What lies on this machine is only for repositories that do too: a
        foreign one must not fetch it."""
        if _REMOTE.match(url):
            return url
        place, path = _split(self.origin)
        if url.startswith(("./", "../")):
            return place + posixpath.normpath(f"{path}/{url}")
        if place:
            raise GitError(f"{self.url}: submodule {url} is no URL that may be fetched")
        return url

    def _has(self, name: str) -> bool:
        try:
            self._git("cat-file", "-e", name)
        except GitError:
            return False
        return True

    def _git(self, *arguments: str) -> str:
        return _run(["-C", str(self.mirror), *arguments], self.key)


def _split(origin: str) -> tuple[str, str]:
    """A repository's server, empty for this machine, and its path there."""
    found = re.match(r"^(\w+://[^/]+|[\w.-]+@[\w.-]+:|)(.*)$", origin)
    assert found
    return found[1], found[2]


def _run(arguments: list[str], key: Path | None) -> str:
    command = arguments[2] if arguments[0] == "-C" else arguments[0]
    try:
        done = subprocess.run(
            ["git", *arguments],
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
            env=_environment(key),
        )
    except FileNotFoundError:
        raise GitError("git is not installed on this machine") from None
    except subprocess.TimeoutExpired:
        raise GitError(f"git {command} took longer than {TIMEOUT} s") from None
    if done.returncode != 0:
        raise GitError(f"git {command}: {_reason(done.stderr, done.returncode)}")
    return done.stdout


def _reason(output: str, status: int) -> str:
    lines = [line for line in output.strip().splitlines() if not _ADVICE.match(line)]
    if not lines:
        return f"exit code {status}"
    # ssh's own words come before git's, which then say little.
    return "; ".join(lines[-2:]) if "Could not read from remote" in lines[-1] else lines[-1]


def _environment(key: Path | None) -> dict[str, str]:
    """Without what a git hook sets for its own repository; and no question for a password, which
    nobody would see."""
    own = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX")
    kept = {name: value for name, value in os.environ.items() if name not in own}
    if key:
        ssh = kept.get("GIT_SSH_COMMAND", "ssh")
        kept["GIT_SSH_COMMAND"] = (
            f"{ssh} -i {shlex.quote(str(key))} -o IdentitiesOnly=yes -o BatchMode=yes"
        )
    return {**kept, "GIT_TERMINAL_PROMPT": "0"}
