"""The SSH role's operation: the files depend on the state of the host."""

from __future__ import annotations

import base64
import json
from collections.abc import Generator, Sequence
from fnmatch import fnmatchcase

from pyinfra import host
from pyinfra.api import operation
from pyinfra.api.command import PyinfraCommand

from groundcrew import remote, transport
from groundcrew.entries import Directory, File, PathState
from groundcrew.facts.files import Paths
from groundcrew.facts.sshd import Sshd, SshdState
from groundcrew.operations import guard
from groundcrew.operations.files import print_differences
from groundcrew.read_first import facts_together, reading_first
from groundcrew.roles.ssh import builders
from groundcrew.roles.ssh.settings import SshSettings
from groundcrew.unreadable import UnreadableError

MAIN = "/etc/ssh/sshd_config"
DROP_INS = "/etc/ssh/sshd_config.d"
PATH = f"{DROP_INS}/00-groundcrew.conf"
INCLUDE = f"Include {DROP_INS}/*.conf"
GUARD = "ssh"

# An sshd that got its socket from ssh.socket does not survive a reload: it re-executes itself and
# finds the port taken. A restart keeps existing sessions (KillMode=process). A reload only sends a
# signal: the pause keeps the second login from reaching sshd before it has reloaded.
RELOAD = (
    "if systemctl -q is-active ssh.socket; then systemctl try-restart ssh.service; "
    "elif systemctl -q is-active ssh.service; then systemctl reload ssh.service && sleep 0.2; fi"
)

# An sshd that could not listen on any port has ended, and nothing starts it again.
RESTORE = (
    f"{RELOAD}; if systemctl -q is-enabled ssh.service && ! systemctl -q is-active ssh.socket && "
    "! systemctl -q is-active ssh.service; then systemctl reset-failed ssh.service; "
    "systemctl start ssh.service; fi"
)


@operation()
@reading_first
def configure(
    settings: SshSettings, admins: Sequence[str]
) -> Generator[PyinfraCommand, None, None]:
    """Hardens sshd with a drop-in that is kept only if `sshd -T` and a new login confirm it.

    `sshd -T` must report exactly the declared values. The operation fails if another file overrides
    a keyword, or if the user of the next run could not log in and become root; in both cases the
    old configuration is restored.

    + settings: the role's settings
    + admins: names of the users that may log in and become root
    """
    users = transport.login_users(host)
    reason = certain_lockout(settings, admins, users) or closed_port(
        settings, transport.session(host)
    )
    if reason:
        yield guard.refuse(reason)
        return
    with facts_together():
        state = host.get_fact(Sshd)
        states = host.get_fact(
            Paths, paths=[MAIN, DROP_INS, PATH], globs=[guard.trace(GUARD)], content=True
        )
    if not state.known:
        raise UnreadableError("sshd's state cannot be read")
    if reason := refused_ports(settings, state):
        yield guard.refuse(reason)
        return
    declared = builders.directives(settings, state, admins)
    expected = builders.expected(declared)
    wrong = [name for name in expected if state.effective.get(name, []) != expected[name]]
    drop_in = File(PATH, builders.drop_in(declared))
    main = main_file(states[MAIN], declared if settings.main_file else {})
    pending = guard.pending(GUARD, states)
    changed = guard.to_be_made([Directory(DROP_INS), main, drop_in], states, pending)
    if not changed and not wrong and not pending:
        host.noop("sshd is configured as declared")
        return
    if host.state.config.DIFF:
        print_differences(changed)
    judge = remote.command("inspect_sshd", json.dumps(expected)).get_raw_value()
    change = guard.Guarded(
        name=GUARD,
        entries=changed,
        validate=f"/usr/sbin/sshd -t && {judge}",
        activate=(RELOAD, *(listens(port) for port in settings.ports or ())),
        # At boot sshd starts only after a pending change has been rolled back.
        reactivate=(RESTORE,),
    )
    yield from guard.apply(change, users[:1])


def listens(port: int) -> str:
    """A shell command that succeeds once root listens on a port: another user's program may have
    been faster, and gives itself any name."""
    look = f"ss -Hltne 'sport = :{port}' | grep ' ino:' | grep -qv ' uid:'"
    return (
        f"for try in 1 2 3 4 5 6 7 8 9 10; do {look} && break; sleep 0.2; done; {look} || "
        f"{{ echo 'sshd does not listen on port {port}' >&2; exit 1; }}"
    )


def refused_ports(settings: SshSettings, state: SshdState) -> str:
    """Why sshd could not listen on `ports`; empty if it can."""
    wanted = settings.ports or ()
    if wanted and state.socket:
        return (
            "ssh.ports: ssh.socket is in use on this host and names the ports, not sshd_config. "
            "Remove ssh.ports, or on the host: systemctl disable --now ssh.socket && systemctl "
            "enable --now ssh.service"
        )
    taken = [f"{port} is {state.taken[port]}'s" for port in wanted if port in state.taken]
    return f"ssh.ports: {', '.join(taken)}: choose another port" if taken else ""


def closed_port(settings: SshSettings, session: str) -> str:
    """Why the live connection could not be made again; empty if it can. `session` is its
    SSH_CONNECTION."""
    fields = session.split()
    used = int(fields[3]) if len(fields) == 4 else None
    if settings.ports is None or used is None or used in settings.ports:
        return ""
    first, new = [used, *settings.ports], settings.ports[0]
    return (
        f"ssh.ports does not have {used}, the port of this session. Set it to {first} and run this "
        f"again; then set the host's ssh_port to {new}, and take {used} out of ssh.ports"
    )


def main_file(state: PathState, values: builders.Directives) -> File:
    """The current sshd_config, with the Include line for drop-ins and with `values`."""
    content = base64.b64decode(state["content"]).decode()
    return File(
        MAIN,
        builders.with_values(builders.with_include(content, INCLUDE), values),
        mode="0600" if values else state["mode"],
        user=state["user"],
        group=state["group"],
    )


def certain_lockout(settings: SshSettings, admins: Sequence[str], users: Sequence[str]) -> str:
    """Why the next run, which logs in as the first of `users`, would be locked out; empty if it is
    not certain."""
    allowed = builders.allowed_users(settings, admins)
    patterns = [item.partition("@")[0] for item in allowed]
    if settings.admins_only and users and not any(fnmatchcase(users[0], p) for p in patterns):
        return (
            f"ssh.admins_only lets {', '.join(allowed) or 'nobody'} log in, but ssh_user is "
            f"{users[0]}; make it an administrator (users.admins) or add it to ssh.allow_users"
        )
    if settings.permit_root_login != "no":
        return ""
    if not admins:
        return "ssh.permit_root_login is no and users.admins is empty: nobody could become root"
    if users[:1] == ["root"]:
        return (
            "ssh_user is root, which ssh.permit_root_login = no shuts out; set the host's ssh_user "
            f"to an administrator ({', '.join(admins)}) and bootstrap_user to root"
        )
    return ""
