"""The operation that could lock the operator out: kept only once a new login has worked."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from pyinfra import host
from pyinfra.api import operation
from pyinfra.api.command import PyinfraCommand

from groundcrew import transport
from groundcrew.entries import Entry, Purge
from groundcrew.operations import guard
from groundcrew.operations.files import apply_command, print_differences, read_states
from roles.users import pam
from roles.users.logins import LoginsSettings

GUARD = "users"
# All of sudo's files together: one that is wrong by itself is refused before.
VALIDATE = "visudo -cq"


@operation()
def access(
    entries: Sequence[Entry], logins: LoginsSettings
) -> Generator[PyinfraCommand, None, None]:
    """Keys that may log in, what lets them become root and what PAM asks, put back unless the user
    of the next run can still do both.

    A run that came in as another user, as on a bare host, keeps that way: it need not be proven
    here that the new one is open. Before sshd's configuration closes the old one, it is. PAM is the
    same for all of them, so that a change of it is always proven.

    + entries: authorized keys, sudoers and PAM files
    + logins: what PAM asks
    """
    states = read_states([*entries, Purge(*guard.trace(GUARD))])
    pending = guard.pending(GUARD, states)
    changed = guard.to_be_made(entries, states, pending)
    if not changed and not pending:
        host.noop(f"{len(entries)} paths are as they should be")
        return
    if host.state.config.DIFF:
        print_differences(changed)
    users = transport.login_users(host)
    asks = any(pam.is_about(entry) for entry in changed)
    usual = transport.connected_user(host) in (*users[:1], None)
    if not pending and not asks and not usual:
        yield apply_command(changed, VALIDATE)
        return
    change = guard.Guarded(
        name=GUARD,
        entries=changed,
        validate=VALIDATE,
        snapshot=pam.SNAPSHOT,
        activate=(pam.script(logins),) if asks else (),
        restore=pam.RESTORE,
    )
    yield from guard.apply(change, users if asks else users[:1])
