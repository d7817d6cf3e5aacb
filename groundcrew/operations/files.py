"""Manages files, directories and links: all of them are replaced and validated together, or
none."""

from __future__ import annotations

import base64
from collections.abc import Callable, Generator, Iterator, Sequence

from pyinfra import host
from pyinfra.api import StringCommand, operation
from pyinfra.operations.util.files import generate_color_diff

from groundcrew import record, remote
from groundcrew.entries import (
    Absent,
    Directory,
    Entry,
    File,
    Link,
    PathEntry,
    PathState,
    Purge,
    States,
    changes,
    named,
    payload,
    tokens,
)
from groundcrew.facts.files import Paths
from groundcrew.read_first import reading_first
from groundcrew.remote.printable import printable

__all__ = ["Absent", "Directory", "Entry", "File", "Link", "Purge", "manage"]

Commands = Generator[StringCommand, None, None]
EntriesArgument = Sequence[Entry] | Callable[[], Sequence[Entry]]


@operation()
@reading_first
def manage(entries: EntriesArgument, validate: str | None = None) -> Commands:
    """Brings paths to the state that the entries describe: one fact, and one command if any
    differs.

    Every file is staged beside its target, private until it has its final owner and mode, checked
    by its own validator, and renamed. Then the `validate` command checks the whole set (such as
    `nginx -t`). If it fails, every path is restored and the operation fails with the validator's
    output. With `--diff` the changed lines are printed, except those of secrets.

    + entries: `File`, `Directory`, `Link`, `Absent`, `Purge`, or a function that returns them,
      called when the operation runs
    + validate: shell command that runs after the change; exit status 0 keeps it
    """
    changed = pending(entries() if callable(entries) else entries)
    if changed:
        yield apply_command(changed, validate)


def pending(entries: Sequence[Entry]) -> list[PathEntry]:
    """The entries that the current host does not match; one round trip, two with `--diff`."""
    if not entries:
        return []
    changed = changes(entries, read_states(entries))
    if not changed:
        host.noop(f"{len(entries)} paths are as they should be")
    else:
        record.change(host, [named(entry) for entry in changed])
        if host.state.config.DIFF:
            print_differences(changed)
    return changed


def read_states(entries: Sequence[Entry]) -> States:
    """The state on the current host of all paths that the entries name or match."""
    paths = [entry.path for entry in entries if not isinstance(entry, Purge)]
    globs = [(entry.directory, entry.pattern) for entry in entries if isinstance(entry, Purge)]
    return host.get_fact(Paths, paths=paths, globs=globs, generated=tokens(entries))


def apply_command(changed: Sequence[PathEntry], validate: str | None) -> StringCommand:
    """The command that makes all changes."""
    entries = [payload(entry) for entry in changed]
    return remote.command("apply_files", payload={"entries": entries, "validate": validate})


def print_differences(changed: Sequence[PathEntry]) -> None:
    """Prints what would change on the current host, line by line unless the content is secret."""
    readable = [entry.path for entry in changed if isinstance(entry, File) and not entry.secret]
    states = host.get_fact(Paths, paths=readable, content=True) if readable else {}
    for entry in changed:
        host.log(named(entry))
        if isinstance(entry, File):
            for line in differing_lines(entry, states.get(entry.path)):
                host.log(f"  {line}")


def differing_lines(entry: File, state: PathState | None) -> Iterator[str]:
    """The difference between a file's content on the host and its new content."""
    if entry.secret:
        yield "(secret: content or mode differs)"
        return
    current = base64.b64decode(state.get("content", "")) if state else b""
    yield from generate_color_diff(_lines(current), _lines(entry.data))


def _lines(content: bytes) -> list[str]:
    # The current content may come from others and contain terminal control characters.
    return printable(content.decode(errors="replace")).splitlines(keepends=True)
