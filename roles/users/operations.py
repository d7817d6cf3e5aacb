"""The operation that could lock the operator out: kept only once a new login has worked."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from pyinfra import host
from pyinfra.api import operation
from pyinfra.api.command import PyinfraCommand

from groundcrew import transport
from groundcrew.entries import Absent, Entry, changes
from groundcrew.operations import guard
from groundcrew.operations.files import apply_command, print_differences, read_states

GUARD = "users"
# All of sudo's files together: one that is wrong by itself is refused before.
VALIDATE = "visudo -cq"


@operation()
def access(entries: Sequence[Entry]) -> Generator[PyinfraCommand, None, None]:
    """Keys that may log in and what lets them become root, put back unless the user of the next run
    can still do both.

    A run that came in as another user, as on a bare host, keeps that way: it need not be proven
    here that the new one is open. Before sshd's configuration closes the old one, it is.

    + entries: authorized keys and sudoers files
    """
    pending = Absent(guard.state_directory(GUARD))
    states = read_states([*entries, pending])
    changed = changes(entries, states)
    if not changed and pending.path not in states:
        host.noop(f"{len(entries)} paths are as they should be")
        return
    if host.state.config.DIFF:
        print_differences(changed)
    users = transport.login_users(host)[:1]
    if pending.path not in states and transport.connected_user(host) not in (*users, None):
        yield apply_command(changed, VALIDATE)
        return
    change = guard.Guarded(name=GUARD, entries=changed, validate=VALIDATE, activate=(), revert=())
    yield from guard.apply(change, users)
