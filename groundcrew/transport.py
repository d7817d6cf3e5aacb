"""A host's connection: what is known about it, and a second login beside it.

`groundcrew.adapter.connections` notes what is read here while a connection is made and used.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from paramiko import AuthenticationException, PKey, SFTPClient, SSHException
from pyinfra.api import Host
from pyinfra.api.exceptions import PyinfraError
from pyinfra.connectors.ssh import SSHConnector
from pyinfra.connectors.sshuserclient.client import SSHClient, get_ssh_config

COMMANDS = "groundcrew_commands"
TRANSFERS = "groundcrew_transfers"
LOGIN_SECONDS = "groundcrew_login_seconds"
RECENT_SECONDS = "groundcrew_recent_seconds"
LOGIN_TIMEOUT = 10.0
LOGIN_PATIENCE = 5.0
# Duration of a login with sudo, as a multiple of the shortest command.
COMMANDS_PER_LOGIN = 4
RECENT = 3
PASSWORDS = {"_sudo_password": "SUDO_PASSWORD", "_su_password": "SU_PASSWORD"}
"""Connector argument -> attribute of pyinfra's configuration."""
PREFETCHED = 64
"""Blocks of 32 KiB that are requested before the first has arrived."""
ROOT_PROCESS = "root_process"
"""Key of a host's data: whether root's commands run in one process, true by default."""
_SWITCH = {"true": True, "yes": True, "false": False, "no": False}
SESSION = "groundcrew_session"
DOWN = "groundcrew_down"
"""Set for a host that nothing answers for."""
SESSION_KEY = "groundcrew_key"


class LoginError(Exception):
    """A new SSH connection could not be made or could not be used; the message says why."""


def switched(value: object) -> bool | None:
    """A value of a host's data that is true or false; None if it is neither."""
    return _SWITCH.get(str(value).lower())


def commands_run(host: Host) -> int:
    """Number of commands run on a host so far, over all its connections; 0 if it is not an SSH
    host."""
    return int(host.connector_data.get(COMMANDS, 0))


def files_transferred(host: Host) -> int:
    """Number of files sent to and fetched from a host so far; each takes several round trips."""
    return int(host.connector_data.get(TRANSFERS, 0))


def connected_user(host: Host) -> str | None:
    """The user of the live connection; None if the host is not reached over SSH."""
    client = getattr(host.connector, "client", None)
    transport = client.get_transport() if client else None
    return transport.get_username() if transport else None


def arguments_of(other: Host, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The connector arguments for a command of root on another host, from those of the current
    operation.

    Passwords and sudo are the other host's own: it must not be sent the password of the current
    one, which may have another user.
    """
    own = {
        key: other.data.get(key) or getattr(other.state.config, setting)
        for key, setting in PASSWORDS.items()
    }
    told = {**arguments, **own}
    if arguments.get("_su_user") or arguments.get("_doas"):
        return told
    user, chosen = connected_user(other), other.data.get("_sudo")
    if chosen is not None:
        told["_sudo"] = bool(chosen)
    elif user is not None:
        told["_sudo"] = user != "root"
    return told


def session(host: Host) -> str:
    """Both ends of the live connection as the host sees them (SSH_CONNECTION): the client's address
    and port, the host's address and port; empty if the host is not reached over SSH."""
    return str(host.connector_data.get(SESSION, ""))


def session_key(host: Host) -> PKey | None:
    """The key that authenticated the live connection, without a certificate; None if no key did."""
    client = getattr(host.connector, "client", None)
    connection = client.get_transport() if client else None
    return getattr(connection, SESSION_KEY, None)


def address(host: Host) -> str:
    """The host's name or address, with aliases in ~/.ssh/config resolved."""
    name = str(host.data.get("ssh_hostname") or host.name)
    aliases = get_ssh_config(host.data.get("ssh_config_file"))
    return str(aliases.lookup(name).get("hostname", name)) if aliases else name


def login_users(host: Host) -> list[str]:
    """The users expected to be able to log in; `ssh_user`, which the next run will use, comes
    first."""
    usual_user = host.data.get("ssh_user")
    users = [user for user in (usual_user, connected_user(host)) if user]
    return list(dict.fromkeys(users))


def login_seconds(host: Host) -> float:
    """The expected duration of a login to the host in seconds, from earlier measurements; 0 without
    any.

    It is the duration of the live connection's login with its first command, or a multiple of the
    fastest of the last commands if that is longer: the host may be busier by now. Commands count
    that had a session of their own.
    """
    first = float(host.connector_data.get(LOGIN_SECONDS, 0.0))
    recent = host.connector_data.get(RECENT_SECONDS, ())
    return max(first, COMMANDS_PER_LOGIN * min(recent, default=0.0))


def time_commands(host: Host, arguments: Mapping[str, Any]) -> None:
    """Runs commands that do nothing, each with a session of its own, for `login_seconds`."""
    for _ in range(2):
        host.run_shell_command("true", **{**arguments, "_shell_executable": "/bin/sh"})


class TooLongError(OSError):
    """More of a file arrives than was announced."""

    def __init__(self, most: int) -> None:
        super().__init__(f"more than the announced {most} bytes arrive")


class _Bounded:
    """A file that takes a number of bytes, and no more."""

    def __init__(self, file: IO[bytes], most: int) -> None:
        self.file = file
        self.most = most
        self.taken = 0

    def write(self, data: bytes) -> int:
        self.taken += len(data)
        if self.taken > self.most:
            raise TooLongError(self.most)
        return self.file.write(data)


def fetch_file(host: Host, remote: str, local: Path, most: int) -> bool:
    """Fetches a file that the connected user can read; returns whether that worked.

    + most: its announced size. The host could send until the disk is full otherwise. Raises
      TooLongError.
    """
    connection = getattr(host.connector, "get_file_transfer_connection", lambda: None)()
    if not isinstance(connection, SFTPClient):
        if not host.get_file(remote, str(local)):
            return False
        if local.stat().st_size > most:
            raise TooLongError(most)
        return True
    host.connector_data[TRANSFERS] = files_transferred(host) + 1
    with local.open("wb") as file:
        # Otherwise all of the file may be in memory if the disk is slower than the network.
        connection.getfo(
            remote,
            _Bounded(file, most),  # type: ignore[arg-type]  # only `write` is called
            max_concurrent_prefetch_requests=PREFETCHED,
        )
    return True


LOST = (SSHException, OSError, EOFError)
"""What commands raise whose connection breaks."""


def reconnect(host: Host) -> bool:
    """Ends the connection and makes a new one. Returns whether that worked."""
    try:
        host.connector.disconnect()
        host.connector.connect()
    except (*LOST, PyinfraError):
        return False
    return True


def second_login(
    host: Host, user: str, step: float = LOGIN_TIMEOUT, until: float | None = None
) -> None:
    """Logs in to the host as `user` over a new connection and becomes root there.

    Uses the key or agent and the known hosts of the live connection, but no password. Does nothing
    if the host is not reached over SSH: there is no access to lose. Raises LoginError.

    + step: seconds that each step may take: to connect, to log in, to become root
    + until: when all steps must have ended, in the time of `time.monotonic`
    """
    connector = host.connector
    if not isinstance(connector, SSHConnector):
        return
    end = time.monotonic() + 4 * step if until is None else until
    # A server that was just reloaded accepts no connections for a moment.
    deadline = min(time.monotonic() + LOGIN_PATIENCE, end)
    while True:
        try:
            _log_in(connector, user, step, end)
        except (AuthenticationException, TimeoutError) as error:
            reason = str(error) or type(error).__name__
            raise LoginError(f"cannot log in as {user}: {reason}") from error
        except (OSError, SSHException, EOFError) as error:
            if time.monotonic() > deadline:
                reason = str(error) or type(error).__name__
                raise LoginError(f"cannot log in as {user}: {reason}") from error
            time.sleep(0.3)
        else:
            return


def _log_in(connector: SSHConnector, user: str, step: float, end: float) -> None:
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError("no time is left for it")
    arguments = connector.make_paramiko_kwargs()
    arguments.pop("password", None)
    hostname = arguments.pop("hostname")
    for name in ("timeout", "banner_timeout", "auth_timeout"):
        arguments[name] = min(step, left)
    client = SSHClient()
    # Ends the attempt in any step.
    no_longer = threading.Timer(left, client.close)
    no_longer.daemon = True
    no_longer.start()
    try:
        client.connect(hostname, **{**arguments, "username": user})
        command = "id -u" if user == "root" else "sudo -n true"
        _, stdout, stderr = client.exec_command(command, timeout=step)
        if not stdout.channel.status_event.wait(step):
            raise TimeoutError(f"`{command}` did not end within {step:.0f} seconds")
        if stdout.channel.recv_exit_status() != 0:
            reason = stderr.read().decode(errors="replace").strip()
            raise LoginError(f"logged in as {user}, but `{command}` failed: {reason}")
    finally:
        no_longer.cancel()
        client.close()
