"""Rulesets of nftables: one table of our own, loaded atomically, kept over reboots."""

from __future__ import annotations

import base64
from collections.abc import Callable, Generator, Sequence

from pyinfra import host
from pyinfra.api import StringCommand, operation
from pyinfra.api.command import PyinfraCommand

from groundcrew.entries import (
    Absent,
    Directory,
    Entry,
    File,
    PathState,
    changes,
)
from groundcrew.facts.files import Paths
from groundcrew.facts.nftables import Nftables, NftablesState, digest_file
from groundcrew.operations import guard
from groundcrew.operations.files import print_differences

DIRECTORY = "/etc/nftables.d"
MAIN = "/etc/nftables.conf"
INCLUDE = f'include "{DIRECTORY}/*.nft"'


@operation()
def ruleset(
    table: str,
    content: Callable[[NftablesState], str],
    users: Callable[[], Sequence[str]],
) -> Generator[PyinfraCommand, None, None]:
    """Loads the table `inet TABLE` and makes nftables.service load it at boot.

    Nothing but this table is touched: other tables, such as those of Docker, stay. The change is
    guarded (see `groundcrew.operations.guard`). It is made when the file differs, and when the live
    table is not the one that was loaded from it, such as after `nft flush ruleset`.

    + table: name of the table
    + content: function that returns the file, called when the operation runs; it must define the
      table anew, so that loading it twice is the same as once. guard.RefusedError fails the
      operation
    + users: function that returns who logs in to prove that the host can still be reached
    """
    state = host.get_fact(Nftables, table=table)
    path = f"{DIRECTORY}/{table}.nft"
    pending = guard.state_directory(table)
    states = host.get_fact(
        Paths,
        paths=[DIRECTORY, path, MAIN, pending],
        content=True,
    )
    try:
        rules = content(state)
    except guard.RefusedError as error:
        yield guard.refuse(str(error))
        return
    entries: list[Entry] = [
        Directory(DIRECTORY),
        File(path, rules, mode="0640", validate="nft -c -f {}"),
        with_include(states.get(MAIN)),
    ]
    changed = changes(entries, states)
    live = state.live == state.recorded and state.enabled
    if not changed and live and pending not in states:
        host.noop(f"table inet {table} is loaded as it should be")
        return
    if host.state.config.DIFF:
        print_differences(changed)
    change = guard.Guarded(
        name=table,
        entries=changed,
        snapshot=(_save_table(table), f"cp {digest_file(table)} digest 2>/dev/null || true"),
        activate=(f"nft -f {path}", _record(table), "systemctl enable --quiet nftables.service"),
        revert=(
            "nft -f restore.nft",
            f"cp digest {digest_file(table)} 2>/dev/null || rm -f {digest_file(table)}",
        ),
    )
    yield from guard.apply(change, users())


@operation()
def removed(table: str) -> Generator[StringCommand, None, None]:
    """Removes the table `inet TABLE`, its file and nothing else.

    + table: name of the table
    """
    path = f"{DIRECTORY}/{table}.nft"
    if changes([Absent(path)], host.get_fact(Paths, paths=[path])):
        yield StringCommand(
            f"nft delete table inet {table} 2>/dev/null; rm -f {path} {digest_file(table)}"
        )
    else:
        host.noop(f"there is no table inet {table}")


def with_include(main: PathState | None) -> File:
    """nftables.service's file, with a line at its end that includes ours if it has none."""
    if main is None or "content" not in main:
        return File(MAIN, f"#!/usr/sbin/nft -f\n\n{INCLUDE}\n", mode="0755")
    text = base64.b64decode(main["content"]).decode(errors="surrogateescape")
    if INCLUDE not in text.splitlines():
        text = f"{text.rstrip()}\n\n{INCLUDE}\n"
    content = text.encode(errors="surrogateescape")
    return File(MAIN, content, mode=main["mode"], user=main["user"], group=main["group"])


def _save_table(table: str) -> str:
    return (
        f"{{ echo 'table inet {table}'; echo 'delete table inet {table}'; "
        f"nft list table inet {table} 2>/dev/null; true; }} > restore.nft"
    )


def _record(table: str) -> str:
    return (
        f"mkdir -p /var/lib/groundcrew && nft -s list table inet {table} | sha256sum "
        f"> {digest_file(table)}"
    )
