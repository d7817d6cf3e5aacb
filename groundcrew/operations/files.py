"""Files, directories and links of a host: replaced together and validated, or not at all."""

from __future__ import annotations

import base64
from collections.abc import Callable, Generator, Iterator, Sequence

from pyinfra import host
from pyinfra.api import StringCommand, operation
from pyinfra.operations.util.files import generate_color_diff

from groundcrew import remote
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
    payload,
    tokens,
)
from groundcrew.facts.files import Paths
from groundcrew.remote.printable import printable

__all__ = ["Absent", "Directory", "Entry", "File", "Link", "Purge", "manage"]

Commands = Generator[StringCommand, None, None]
EntriesArgument = Sequence[Entry] | Callable[[], Sequence[Entry]]


@operation()
def manage(entries: EntriesArgument, validate: str | None = None) -> Commands:
    """Makes the paths of a host what the entries say: one fact, and one command if any differs.

    Every file is staged beside its target, private until it has its final owner and mode, checked
    by its own validator, and renamed. Then the set-wide `validate` command judges the whole (such
    as `nginx -t`); when it fails, every path is put back as it was and the operation fails with
    the validator's output. With `--diff` the changed lines are printed, except those of secrets.

    + entries: `File`, `Directory`, `Link`, `Absent`, `Purge`, or a function that returns them,
      called when the operation runs
    + validate: shell command, run after the change, exit status 0 to keep it
    """
    changed = pending(entries() if callable(entries) else entries)
    if changed:
        yield apply_command(changed, validate)


def pending(entries: Sequence[Entry]) -> list[PathEntry]:
    """The entries that the current host does not fulfil; one round trip, two with `--diff`."""
    if not entries:
        return []
    changed = changes(entries, read_states(entries))
    if not changed:
        host.noop(f"{len(entries)} paths are as they should be")
    elif host.state.config.DIFF:
        print_differences(changed)
    return changed


def read_states(entries: Sequence[Entry]) -> States:
    """The states on the current host of all paths that the entries name or match."""
    paths = [entry.path for entry in entries if not isinstance(entry, Purge)]
    globs = [(entry.directory, entry.pattern) for entry in entries if isinstance(entry, Purge)]
    return host.get_fact(Paths, paths=paths, globs=globs, generated=tokens(entries))


def apply_command(changed: Sequence[PathEntry], validate: str | None) -> StringCommand:
    """The one command that makes all the changes."""
    entries = [payload(entry) for entry in changed]
    return remote.command("apply_files", payload={"entries": entries, "validate": validate})


def print_differences(changed: Sequence[PathEntry]) -> None:
    """Prints what would change on the current host, line by line where content is public."""
    readable = [entry.path for entry in changed if isinstance(entry, File) and not entry.secret]
    states = host.get_fact(Paths, paths=readable, content=True) if readable else {}
    for entry in changed:
        host.log(f"{type(entry).__name__} {entry.path}")
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
    # What is there now may be others' work, and steer the terminal.
    return printable(content.decode(errors="replace")).splitlines(keepends=True)
