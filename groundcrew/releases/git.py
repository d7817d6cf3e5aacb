"""Reads commits of git repositories on the operator's machine, with the operator's keys."""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from groundcrew.releases import archives, pointers

COMMIT = re.compile(r"^[0-9a-f]{40}$")
ABBREVIATED = 12
"""Length of an abbreviated commit hash."""
TIMEOUT = 600
"""Timeout of one git command in seconds."""
ATTRIBUTES = "* -export-ignore -export-subst -filter\n"
"""Committed files belong to the source unchanged: attributes that exclude files from archives or
modify them are ignored, and none of this machine's filters run."""
OWN_LINES = ("-c", "core.autocrlf=false", "-c", "core.eol=lf")
"""Line endings follow the repository, not this machine's configuration."""
_PATTERN = re.compile(r"[,*?\[\]\\!#]")
_REMOTE = re.compile(r"^(https?|ssh|git)://|^[\w.-]+@[\w.-]+:")
# git's last line is often only advice.
_ADVICE = re.compile(r"^(and the repository exists\.|Please make sure you have .*|)$")


class GitError(Exception):
    """A git command failed; the message is git's own."""


@dataclass(frozen=True)
class Part:
    """A directory of a commit and the path it was unpacked to."""

    directory: Path
    repository: Repository
    commit: str
    folder: str = ""
    """The directory's path in the repository."""


@dataclass(frozen=True)
class Export:
    """The files of a commit in a temporary directory."""

    directory: Path
    parts: tuple[Part, ...]
    """The commit itself, and its submodules."""

    def fetch_content(self, files: Iterable[Path]) -> None:
        """Replaces Git LFS pointers among `files` with their content if it is available."""
        left = list(pointers.lfs(files))
        # A submodule's pointers belong to its own repository.
        for part in reversed(self.parts):
            own = [item for item in left if item.path.is_relative_to(part.directory)]
            left = [item for item in left if item not in own]
            if own:
                part.repository.fetch_content(part, own)


@dataclass(frozen=True)
class Repository:
    """A repository and its local mirror."""

    url: str
    mirrors: Path
    """Directory of all mirrors."""

    project: Path
    """Base of relative paths."""

    key: Path | None = None
    """The only SSH key to use."""

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
        """Fetches `ref` (tag, branch or commit) into the local mirror and returns the commit.

        Raises GitError if there is no such ref.
        """
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
        """Clones the mirror in one step: an interrupted clone must not be taken for a mirror."""
        self.mirror.parent.mkdir(parents=True, exist_ok=True)
        partial = self.mirror.with_suffix(f".{os.getpid()}")
        try:
            _run(["clone", "--quiet", "--mirror", "--", self.origin, str(partial)], self.key)
            partial.rename(self.mirror)
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    @contextmanager
    def export(self, commit: str, path: str, *, submodules: bool = False) -> Iterator[Export]:
        """The files of `path` at `commit`."""
        folder = path.strip("/")
        tree = commit if folder in (".", "") else f"{commit}:{folder}"
        if self._git("cat-file", "-t", tree).strip() not in ("commit", "tree"):
            raise GitError(f"{self.url} has no directory {path} at {commit[:12]}")
        with tempfile.TemporaryDirectory(prefix="groundcrew-") as directory:
            files = Path(directory) / "tree"
            self._unpack(tree, files)
            parts = [Part(files, self, commit, folder)]
            if submodules:
                parts += self._add_submodules(commit, PurePosixPath(folder), files)
            yield Export(files, tuple(parts))

    def _unpack(self, tree: str, target: Path) -> None:
        packed = target.with_name(f"{target.name}.tar")
        target.mkdir(exist_ok=True)
        attributes = self.mirror / "info" / "attributes"
        attributes.parent.mkdir(exist_ok=True)
        attributes.write_text(ATTRIBUTES)
        self._git(*OWN_LINES, "archive", "--format=tar", f"--output={packed}", tree)
        subprocess.run(["tar", "-xf", str(packed), "-C", str(target)], check=True)
        packed.unlink()

    def describe(self, commit: str, ref: str) -> str:
        """`git describe` of a commit. If `ref` is a tag, that tag is used."""
        if re.search("[0-9]", ref) and self._has(f"refs/tags/{ref}"):
            return f"{ref}-0-g{commit[:ABBREVIATED]}"
        return _describe(self.mirror, commit)

    def fetch_content(self, part: Part, wanted: Sequence[pointers.Pointer]) -> None:
        """Replaces Git LFS pointers with their content. The content is fetched if git-lfs is
        installed, or read from the repository if it is on this machine.

        Raises GitError if the fetch fails.
        """
        missing = [item for item in wanted if self._content(item) is None]
        if missing and shutil.which("git-lfs"):
            names = [
                str(PurePosixPath(part.folder) / item.path.relative_to(part.directory))
                for item in missing
            ]
            only = [] if any(map(_PATTERN.search, names)) else [f"--include={','.join(names)}"]
            try:
                self._git("lfs", "fetch", *only, "--exclude=", "origin", part.commit)
            except GitError as error:
                raise GitError(
                    f"the content of {', '.join(names[: pointers.SHOWN])} cannot be fetched: "
                    f"{error}; `git lfs push --all` in a clone that has it brings it there, or "
                    "leave it out with `source.exclude`"
                ) from None
        for item in wanted:
            content = self._content(item)
            if content:
                item.path.unlink()
                shutil.copyfile(content, item.path)

    def _content(self, pointer: pointers.Pointer) -> Path | None:
        place = Path("lfs", "objects", pointer.oid[:2], pointer.oid[2:4], pointer.oid)
        for root in (self.mirror, Path(self.origin) / ".git", Path(self.origin)):
            path = root / place
            if path.is_file() and path.stat().st_size == pointer.size:
                if archives.checksum(path) != pointer.oid:
                    raise GitError(f"{path} is not what its name says: remove it")
                return path
        return None

    def _add_submodules(self, commit: str, folder: PurePosixPath, files: Path) -> list[Part]:
        """Unpacks each submodule at the commit that this one records, recursively."""
        parts = []
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
            parts.append(Part(target, inner, kind[2]))
            parts += inner._add_submodules(kind[2], PurePosixPath(), target)
        return parts

    def _submodule_urls(self, commit: str) -> dict[str, str]:
        if not self._has(f"{commit}:.gitmodules"):
            return {}
        listed = self._git(
            "config", "--blob", f"{commit}:.gitmodules", "--null", "--get-regexp",
            r"^submodule\..*\.(path|url)$",
        )  # fmt: skip
        modules: dict[str, dict[str, str]] = {}
        for item in listed.split("\0"):
            key, _, value = item.partition("\n")
            if key:
                name, _, kind = key.rpartition(".")
                modules.setdefault(name, {})[kind] = value
        return {item["path"]: item["url"] for item in modules.values() if len(item) == 2}

    def _submodule(self, url: str) -> str:
        """The URL of a submodule. Only a repository on this machine may refer to others on this
        machine: a remote one must not make groundcrew fetch them."""
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
    """A repository's server (empty for this machine) and its path there."""
    match = re.match(r"^(\w+://[^/]+|[\w.-]+@[\w.-]+:|)(.*)$", origin)
    assert match
    return match[1], match[2]


def _describe(repository: Path, commit: str | None = None) -> str:
    where = ["-C", str(repository)]
    command = [*where, "describe", "--tags", "--long", f"--abbrev={ABBREVIATED}"]
    try:
        return _run([*command, "--match=*[0-9]*", commit or "--dirty"], None).strip()
    except GitError:
        # No tag is reachable from the commit.
        name = _run([*where, "rev-parse", f"--short={ABBREVIATED}", commit or "HEAD"], None)
        count = _run([*where, "rev-list", "--count", commit or "HEAD"], None)
        return f"0.0-{count.strip()}-g{name.strip()}"


def describe(directory: Path) -> str | None:
    """`git describe` of a work tree; ends with `-dirty` if tracked files differ from the commit.
    None if there is no commit."""
    try:
        return _describe(directory)
    except GitError:
        return None


def tracked(directory: Path) -> frozenset[Path] | None:
    """The tracked files below `directory`, relative to it; None if it is not in a work tree.

    Raises GitError if git cannot read the repository.
    """
    if not any((place / ".git").exists() for place in (directory, *directory.resolve().parents)):
        return None
    where = ["-C", str(directory)]
    try:
        if _run([*where, "rev-parse", "--is-inside-work-tree"], None).strip() != "true":
            return None
    except GitError as error:
        if "not a git repository" in str(error):
            return None
        raise
    listed = _run([*where, "ls-files", "-z", "--recurse-submodules"], None)
    return frozenset(Path(name) for name in listed.split("\0") if name)


def _run(arguments: list[str], key: Path | None) -> str:
    command = next(
        word
        for word, before in zip(arguments, ["", *arguments], strict=False)
        if word not in ("-C", "-c") and before not in ("-C", "-c")
    )
    try:
        done = subprocess.run(
            ["git", *arguments],
            capture_output=True,
            text=True,
            errors="surrogateescape",
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
    # ssh's message precedes git's, which then says little.
    return "; ".join(lines[-2:]) if "Could not read from remote" in lines[-1] else lines[-1]


def _environment(key: Path | None) -> dict[str, str]:
    """The environment of a git command: without the variables that git hooks set, and without
    password prompts, which no one would see."""
    own = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX")
    kept = {name: value for name, value in os.environ.items() if name not in own}
    if key:
        ssh = kept.get("GIT_SSH_COMMAND", "ssh")
        kept["GIT_SSH_COMMAND"] = (
            f"{ssh} -i {shlex.quote(str(key))} -o IdentitiesOnly=yes -o BatchMode=yes"
        )
    return {**kept, "GIT_TERMINAL_PROMPT": "0"}
