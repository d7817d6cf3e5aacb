"""Manages one nftables table: loaded atomically, and loaded again at boot."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence

from pyinfra import host
from pyinfra.api import StringCommand, operation
from pyinfra.api.command import PyinfraCommand

from groundcrew.entries import (
    Absent,
    Directory,
    Entry,
    File,
    changes,
)
from groundcrew.facts.files import Paths
from groundcrew.facts.nftables import Nftables, digest_file, unit
from groundcrew.facts.sshd import Sshd
from groundcrew.operations import guard
from groundcrew.operations.files import print_differences
from groundcrew.read_first import facts_together, reading_first
from groundcrew.templates import render
from groundcrew.unreadable import UnreadableError

DIRECTORY = "/etc/nftables.d"


@operation()
@reading_first
def ruleset(
    table: str,
    content: Callable[[Sequence[int]], str],
    users: Callable[[], Sequence[str]],
) -> Generator[PyinfraCommand, None, None]:
    """Loads the table `inet TABLE`, and installs a unit that loads it at boot.

    Other tables, such as those of Docker, are not touched. Debian's nftables.service would remove
    them, since it starts with `flush ruleset`. The change is guarded (see
    `groundcrew.operations.guard`). It is made if the file differs, or if the live table is not the
    one that was loaded from it, for example after `nft flush ruleset`.

    + table: name of the table
    + content: function that returns the file, called with the SSH server's ports when the operation
      runs; the file must redefine the table, so that loading it twice has the same result.
      guard.RefusedError fails the operation
    + users: function that returns the users that log in to prove that the host can still be reached
    """
    path = f"{DIRECTORY}/{table}.nft"
    with facts_together():
        state = host.get_fact(Nftables, table=table)
        sshd = host.get_fact(Sshd)
        states = host.get_fact(
            Paths,
            paths=[DIRECTORY, path, unit_file(table)],
            globs=[guard.trace(table)],
            content=True,
        )
    if not sshd.known:
        # Without sshd's ports, the rules would close them.
        raise UnreadableError("sshd's state cannot be read")
    try:
        rules = content(sshd.ports)
    except guard.RefusedError as error:
        yield guard.refuse(str(error))
        return
    entries: list[Entry] = [
        Directory(DIRECTORY),
        File(path, rules, mode="0640", validate="nft -c -f {}"),
        File(unit_file(table), render("nftables/table.service.j2", table=table, path=path)),
    ]
    pending = guard.pending(table, states)
    changed = guard.to_be_made(entries, states, pending)
    live = state.live == state.recorded and state.enabled
    if not changed and live and not pending:
        host.noop(f"table inet {table} is loaded as it should be")
        return
    if host.state.config.DIFF:
        print_differences(changed)
    change = guard.Guarded(
        name=table,
        entries=changed,
        snapshot=(_save_table(table), f"cp {digest_file(table)} digest 2>/dev/null || true"),
        activate=(
            f"nft -f {path}",
            _record(table),
            "systemctl daemon-reload",
            f"systemctl enable --quiet {unit(table)}",
        ),
        restore=(
            f"cp digest {digest_file(table)} 2>/dev/null || rm -f {digest_file(table)}",
            f"test -e {unit_file(table)} || rm -f {enabled_file(table)}",
        ),
        # At boot the unit loads the table from the restored file.
        reactivate=("nft -f restore.nft",),
    )
    yield from guard.apply(change, users())


@operation()
def removed(table: str) -> Generator[StringCommand, None, None]:
    """Removes the table `inet TABLE`, its file and its unit, and nothing else.

    + table: name of the table
    """
    path = f"{DIRECTORY}/{table}.nft"
    if changes([Absent(path)], host.get_fact(Paths, paths=[path])):
        yield StringCommand(
            f"nft delete table inet {table} 2>/dev/null; systemctl disable --quiet {unit(table)}; "
            f"rm -f {path} {unit_file(table)} {digest_file(table)}; systemctl daemon-reload"
        )
    else:
        host.noop(f"there is no table inet {table}")


def unit_file(table: str) -> str:
    """Path of the unit that loads the table at boot."""
    return f"/etc/systemd/system/{unit(table)}"


def enabled_file(table: str) -> str:
    """Path of the link with which `systemctl enable` makes that unit start at boot."""
    return f"/etc/systemd/system/sysinit.target.wants/{unit(table)}"


def _save_table(table: str) -> str:
    return (
        f"{{ echo 'table inet {table}'; echo 'delete table inet {table}'; "
        f"nft -t list table inet {table} 2>/dev/null; true; }} > restore.nft"
    )


def _record(table: str) -> str:
    return (
        f"mkdir -p /var/lib/groundcrew && nft -s -t list table inet {table} | sha256sum "
        f"> {digest_file(table)}"
    )
