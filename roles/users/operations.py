"""The operation that could lock out the operator. It is kept only after a new login has worked."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from pyinfra import host
from pyinfra.api import operation
from pyinfra.api.command import PyinfraCommand

from groundcrew import transport
from groundcrew.entries import Entry, Purge
from groundcrew.operations import guard
from groundcrew.operations.files import apply_command, print_differences, read_states
from groundcrew.read_first import reading_first
from groundcrew.roles.users import pam
from groundcrew.roles.users.logins import LoginsSettings

GUARD = "users"
# Checks all sudo files together; each one has been checked on its own before.
VALIDATE = "visudo -c"


@operation()
@reading_first
def access(
    entries: Sequence[Entry], logins: LoginsSettings
) -> Generator[PyinfraCommand, None, None]:
    """Writes authorized keys, sudoers and PAM files, and restores them unless the user of the next
    run can still log in and become root.

    A run that is connected as another user, as on a bare host, keeps that access and needs no proof
    here: the SSH role proves the new user's access before it closes the old one. PAM applies to all
    users, so its changes are always proven.

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
