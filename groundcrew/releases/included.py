"""Turns a requirements file into one text: included files inlined, paths relative to the build.

pip and uv resolve some paths relative to the file, others relative to the working directory, and uv
rejects some line endings and byte order marks that editors write. Here every file is read the same
way before a build.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from groundcrew.releases.requirements import decode
from groundcrew.releases.tree import SourceError
from groundcrew.remote.requirements import logical_lines

APP = "app"
"""The source's directory, relative to the release's directory, which contains the text."""

_PLACE = r"(?:[ =]+|(?=[^ =-]))(?!\w+://|\$)(\S+)$"
_INCLUDED = re.compile(rf"(?:--requirement|-r){_PLACE}")
_CONSTRAINT = re.compile(rf"(?:--constraint|-c){_PLACE}")
_LINKS = re.compile(rf"(?:--find-links|-f){_PLACE}")
_PATH = re.compile(
    r"(?P<before>(?:-e|--editable)[ =]*)?(?P<path>(?!-)[^\s;\[]+)(?P<after>\[[^\]]*\].*|[\s;].*|)$"
)
_ARCHIVE = (".whl", ".zip", ".tar.gz", ".tar.bz2", ".tgz")
_PACKAGE = ("pyproject.toml", "setup.py")


@dataclass
class Files:
    """Access to a requirements file and the files that it includes."""

    label: str
    """Name of their container, for messages."""

    read: Callable[[str], bytes]
    """Returns the content of an existing file."""

    has: Callable[[str], bool]
    """Whether a file exists."""

    holds: Callable[[str], bool]
    """Whether a directory exists."""

    rewritten: dict[str, bytes] = field(default_factory=dict)
    """Constraints files that uv reads itself, with content rewritten where uv could not read
    them."""

    shipped: bool = True
    """Whether the files are also on the hosts."""

    def lines(self, path: str, within: tuple[str, ...] = ()) -> Iterator[str]:
        """The logical lines of a file, with included files inlined.

        Raises SourceError for a file or path that does not exist.
        """
        if path in within:
            raise SourceError(f"{path} includes itself, by {' and '.join(within[1:]) or path}")
        for line in logical_lines(self._text(path)):
            included, constraint = _INCLUDED.match(line), _CONSTRAINT.match(line)
            links = _LINKS.match(line)
            if included and not included[1].startswith("/"):
                yield from self.lines(self._beside(path, included[1]), (*within, path))
            elif not self.shipped and (constraint or links):
                raise SourceError(f"{path}: {line}: hosts do not get what lies beside it", "lock")
            elif constraint and not constraint[1].startswith("/"):
                target = self._beside(path, constraint[1])
                self._mend(target, (*within, path))
                yield f"-c {APP}/{target}"
            elif links and not links[1].startswith("/"):
                yield f"--find-links {APP}/{self._directory(path, links[1])}"
            else:
                yield self._local(path, line)

    def _text(self, path: str) -> str:
        if not self.has(path):
            raise SourceError(f"{self.label} has no file {path}")
        try:
            return decode(self.read(path))
        except UnicodeDecodeError:
            raise SourceError(f"the requirements are not text in UTF-8 or UTF-16: {path}") from None

    def _mend(self, path: str, within: tuple[str, ...]) -> None:
        """Rewrites a constraints file where uv could not read it. It stays a file: constraints
        cannot be inlined."""
        if path in within:
            raise SourceError(f"{path} includes itself, by {' and '.join(within[1:]) or path}")
        text = self._text(path)
        lines = list(logical_lines(text))
        if text.encode() != self.read(path) or "\\\n" in text:
            self.rewritten[path] = "".join(f"{line}\n" for line in lines).encode()
        for line in lines:
            match = _INCLUDED.match(line) or _CONSTRAINT.match(line)
            if match and not match[1].startswith("/"):
                self._mend(self._beside(path, match[1]), (*within, path))

    def _beside(self, path: str, named: str) -> str:
        target = _inside(path, named)
        if target is None or not self.has(target):
            raise SourceError(f"{path} names {named}, and {self.label} has no file {target or ''}")
        return target

    def _directory(self, path: str, named: str) -> str:
        """The path of a directory, resolved as pip does: relative to the file, else to the source's
        root."""
        for place in (_inside(path, named), _inside("", named)):
            if place is not None and self.holds(place):
                return place
        raise SourceError(f"{path} names {named}, and {self.label} has no files there")

    def _local(self, path: str, line: str) -> str:
        """The line, with the path of a package in the source resolved as pip does: relative to the
        source's root, else to the file."""
        match = _PATH.match(line) if self.shipped else None
        if not match or not _is_path(match["path"], editable=bool(match["before"])):
            return line
        named = match["path"].removeprefix("file:")
        places = [_inside("", named), _inside(path, named)]
        for place in places:
            if place is not None and (
                self.has(place)
                or any(self.has(posixpath.normpath(f"{place}/{name}")) for name in _PACKAGE)
            ):
                return f"{match['before'] or ''}./{place}{match['after']}"
        looked = " or ".join(dict.fromkeys(place or named for place in places))
        raise SourceError(f"{path}: {line}: {self.label} has no package in {looked}")


def _is_path(text: str, *, editable: bool) -> bool:
    if "://" in text or "@" in text or text.startswith(("/", "$", "file:/")):
        return False
    return editable or text.startswith((".", "file:")) or text.endswith(_ARCHIVE)


def _inside(path: str, named: str) -> str | None:
    """The path in the source that a name in one of its files refers to; None if it is outside."""
    target = posixpath.normpath(posixpath.join(posixpath.dirname(path), named))
    return None if target.startswith("..") else target
