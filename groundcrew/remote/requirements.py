"""Combines the requirements of an application and its server.

Used on the operator's machine and, for requirements that are resolved on the host, by the build.
Standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

_NAME = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)")
UV_EXPORT = (
    *("export", "--quiet", "--frozen", "--no-default-groups", "--no-emit-project"),
    *("--no-editable", "--no-header", "--no-annotate"),
)
"""uv's arguments to export what `uv.lock` pins, without dependency groups and the project
itself."""
_PIN = re.compile(r"[^;@]+==\s*([^\s;]+).*--hash=")
_SAME = {"pyuwsgi": "uwsgi"}
"""Two packages of the same program: if the application requires the second, the first is not
added."""
_INCLUDE = re.compile(r"^(--requirement|--constraint|-r|-c)[ =]*(?!/|\w+://)(\S+)")
_OPTION = re.compile(r"^-(?!e|-editable)")


def combine(
    own: str, server: str, *, wanted: Collection[str], folder: str = ""
) -> tuple[str, bool]:
    """The application's requirements, followed by those of the server that it does not name itself;
    and whether all of them have hashes.

    An application that pins gunicorn keeps its pin. If some requirements have no hashes, only the
    `wanted` packages of the server are added: pins of their dependencies could contradict the
    application's. `folder` is the directory of the application's file, for the files that it
    includes.
    """
    lines = [_relative(line, folder) for line in logical_lines(own)]
    named = {name for line in lines if (name := requirement_name(line))}
    hashed = all("--hash=" in line for line in lines if not _OPTION.match(line)) and not any(
        _INCLUDE.match(line) for line in lines
    )
    extra = [line for line in logical_lines(server) if not _names(line) & named]
    if not hashed:
        extra = [line for line in extra if requirement_name(line) in wanted]
    return "".join(f"{line}\n" for line in [*lines, *extra]), hashed


def only_pins(text: str) -> str:
    """The requirements that pin a version and have hashes."""
    return "".join(f"{line}\n" for line in logical_lines(text) if _PIN.match(line))


def pinned_hashes(text: str) -> dict[tuple[str, str], list[str]]:
    """Name and version -> the hashes (`sha256:...`) that the requirements allow for it."""
    hashes: dict[tuple[str, str], list[str]] = {}
    for line in logical_lines(text):
        pin, name = _PIN.match(line), requirement_name(line)
        if pin and name:
            hashes.setdefault((name, pin[1]), []).extend(re.findall(r"--hash=(\S+)", line))
    return hashes


def logical_lines(text: str) -> Iterator[str]:
    """Lines without comments, continuation lines joined."""
    for line in text.replace("\\\n", " ").splitlines():
        bare = re.sub(r"(^|\s)#.*$", "", line).strip()
        if bare:
            yield re.sub(r"\s+", " ", bare)


def requirement_name(line: str) -> str | None:
    """The normalized name of the package; None for an option or a path."""
    match = _NAME.match(line)
    return re.sub(r"[-_.]+", "-", match.group(1)).lower() if match else None


def _names(line: str) -> set[str]:
    name = requirement_name(line) or ""
    return {name, _SAME.get(name, name)}


def _relative(line: str, folder: str) -> str:
    match = _INCLUDE.match(line)
    return f"{match.group(1)} {folder}{match.group(2)}" if match and folder else line
