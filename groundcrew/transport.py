"""What groundcrew changes in pyinfra's SSH connections; nothing else touches pyinfra's transport.

- TCP_NODELAY: paramiko leaves Nagle's algorithm on, which costs about 40 ms per command.
- A command's channel is opened while the one before runs (`groundcrew.spare_channel`).
- A bare host has no admin user yet: where `ssh_user` is refused, data `bootstrap_user` is tried.
- A connection that fails says why and what to do; a shell that runs no commands, or prints before
  them, is a failure.
- A host reached as root may have no sudo: there commands run without it.
- Commands have Debian's mask (022): where root's is stricter, applications could not enter what
  they need. What must be private is made so explicitly.
- Commands are counted, for benchmarks, and timed: a slow host is given more time.
- paramiko learns a key exchange that resists quantum computers (`groundcrew.post_quantum`), and
  unlearns signatures over SHA-1 (`groundcrew.rsa_signatures`).
"""

from __future__ import annotations

import inspect
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import wraps
from typing import Any

from paramiko import AuthenticationException, PKey, SSHException, Transport
from pyinfra import __version__, logger
from pyinfra.api import Host
from pyinfra.api.command import StringCommand
from pyinfra.api.exceptions import ConnectError, PyinfraError
from pyinfra.connectors.local import LocalConnector
from pyinfra.connectors.ssh import SSHConnector
from pyinfra.connectors.sshuserclient.client import SSHClient, get_ssh_config

from groundcrew import post_quantum, rsa_signatures, spare_channel
from groundcrew.connecting import Attempt, shell_trouble, why

COMMANDS = "groundcrew_commands"
TRANSFERS = "groundcrew_transfers"
LOGIN_SECONDS = "groundcrew_login_seconds"
RECENT_SECONDS = "groundcrew_recent_seconds"
LOGIN_TIMEOUT = 10.0
LOGIN_PATIENCE = 5.0
# A login and sudo, measured against the shortest command.
COMMANDS_PER_LOGIN = 4
RECENT = 3
UMASK = "022"
SHELL_TIMEOUT = 30.0
HELLO = "groundcrew-hello"
SESSION_KEY = "groundcrew_key"

EXPECTED: tuple[tuple[type, str, str], ...] = (
    (SSHClient, "connect", "hostname"),
    (SSHConnector, "connect", "self"),
    (SSHConnector, "_connect", "self"),
    (SSHConnector, "make_paramiko_kwargs", "self"),
    (SSHConnector, "run_shell_command", "command"),
    (LocalConnector, "run_shell_command", "command"),
    (SSHConnector, "put_file", "remote_filename"),
    (Transport, "auth_publickey", "key"),
    (SSHConnector, "get_file", "remote_filename"),
)


class TransportError(RuntimeError):
    """pyinfra's SSH connector is not the one that this module was written for."""


class UnreachableError(ConnectError):
    """A host that cannot be worked with, and what to do about it: cause and advice, with a line
    break between. pyinfra prints the cause; the report at the end has all of it."""

    def __init__(self, text: str) -> None:
        super().__init__(text.split("\n", 1)[0])
        self.text = text

    def __str__(self) -> str:
        return self.text


class LoginError(Exception):
    """A new SSH connection could not be made or was of no use; the message says why."""


def install() -> None:
    """Applies the changes, once. Raises TransportError where pyinfra is not as expected."""
    _check_pyinfra()
    post_quantum.install()
    rsa_signatures.install()
    spare_channel.install()
    _replace(SSHClient, "connect", _with_our_ways)
    _replace(SSHConnector, "_connect", _with_bootstrap_user)
    _replace(SSHConnector, "connect", _with_reason)
    _replace(Transport, "auth_publickey", _noting_key)
    _replace(SSHConnector, "run_shell_command", lambda run: _counting(COMMANDS)(_with_umask(run)))
    _replace(LocalConnector, "run_shell_command", _with_umask)
    _replace(SSHConnector, "put_file", _counting(TRANSFERS))
    _replace(SSHConnector, "get_file", _counting(TRANSFERS))


def installed() -> bool:
    """Whether `install` was called in this process."""
    return hasattr(SSHClient.connect, "groundcrew")


def commands_run(host: Host) -> int:
    """Commands run on a host so far, over all its connections; 0 if it is not an SSH host."""
    return int(host.connector_data.get(COMMANDS, 0))


def files_transferred(host: Host) -> int:
    """Files sent to and fetched from a host so far; each takes several round trips."""
    return int(host.connector_data.get(TRANSFERS, 0))


def connected_user(host: Host) -> str | None:
    """The user that the host was reached as; None if it is not reached by SSH."""
    client = getattr(host.connector, "client", None)
    transport = client.get_transport() if client else None
    return transport.get_username() if transport else None


def session_key(host: Host) -> PKey | None:
    """The key that let the live connection in, without a certificate; None where none did."""
    client = getattr(host.connector, "client", None)
    connection = client.get_transport() if client else None
    return getattr(connection, SESSION_KEY, None)


def address(host: Host) -> str:
    """The host's name or address as ~/.ssh/config has it, which may know it by an alias."""
    name = str(host.data.get("ssh_hostname") or host.name)
    aliases = get_ssh_config(host.data.get("ssh_config_file"))
    return str(aliases.lookup(name).get("hostname", name)) if aliases else name


def login_users(host: Host) -> list[str]:
    """Who can be expected to log in to the host: `ssh_user`, which the next run will use, first."""
    usual_user = host.data.get("ssh_user")
    users = [user for user in (usual_user, connected_user(host)) if user]
    return list(dict.fromkeys(users))


def login_seconds(host: Host) -> float:
    """How long a login to the host is to be expected to take now, by what was seen; 0 if nothing.

    That is as long as that of the live connection, with its first command, or a few times as long
    as the quickest of the last commands: the host may be busier by now.
    """
    first = float(host.connector_data.get(LOGIN_SECONDS, 0.0))
    recent = host.connector_data.get(RECENT_SECONDS, ())
    # Fewer may all have had a lot to do.
    quickest = min(recent) if len(recent) == RECENT else 0.0
    return max(first, COMMANDS_PER_LOGIN * quickest)


def second_login(
    host: Host, user: str, step: float = LOGIN_TIMEOUT, until: float | None = None
) -> None:
    """Logs in to the host as `user` over a new connection and becomes root there.

    Uses the key or agent and the known hosts of the live connection, but no password. Does nothing
    where the host is not reached by SSH: there is no access to lose. Raises LoginError.

    + step: seconds that each step may take: to connect, to log in, to become root
    + until: when all of it has ended, in the time of `time.monotonic`
    """
    connector = host.connector
    if not isinstance(connector, SSHConnector):
        return
    end = time.monotonic() + 4 * step if until is None else until
    # A server that was just reloaded takes no connections for a moment.
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
    # Whatever step it is at.
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


def _check_pyinfra() -> None:
    for owner, name, parameter in EXPECTED:
        method = getattr(owner, name, None)
        if method is None or parameter not in inspect.signature(method).parameters:
            raise TransportError(
                f"pyinfra {__version__}: {owner.__module__}.{owner.__name__}.{name} is not what "
                "groundcrew/transport.py was written for; use pyinfra 3.10"
            )


def _replace(owner: type, name: str, wrapper: Callable[[Any], Any]) -> None:
    original = getattr(owner, name)
    if not hasattr(original, "groundcrew"):
        changed = wraps(original)(wrapper(original))
        changed.groundcrew = True  # type: ignore[attr-defined]
        setattr(owner, name, changed)


def _with_our_ways(connect: Callable[..., None]) -> Callable[..., None]:
    def connect_with_our_ways(self: SSHClient, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("disabled_algorithms", rsa_signatures.DISABLED)
        connect(self, *args, **kwargs)
        transport = self.get_transport()
        connection = transport.sock if transport else None
        # Behind a jump host the connection is a channel, which has no socket options.
        if connection is not None and hasattr(connection, "setsockopt"):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    return connect_with_our_ways


def _with_bootstrap_user(connect: Callable[[SSHConnector], None]) -> Callable[..., None]:
    def timed(self: SSHConnector) -> None:
        started = time.monotonic()
        connect(self)
        connection = self.client.get_transport() if self.client else None
        if connection is not None:
            spare_channel.give(connection)
        data = self.host.connector_data
        data[LOGIN_SECONDS] = time.monotonic() - started
        data.pop(RECENT_SECONDS, None)

    def connect_or_bootstrap(self: SSHConnector) -> None:
        try:
            timed(self)
        except ConnectError as refusal:
            bootstrap_user = self.host.data.get("bootstrap_user")
            usual_user = self.data["ssh_user"]
            refused = isinstance(refusal.__context__, AuthenticationException)
            if not refused or bootstrap_user in (None, usual_user):
                raise
            self.data["ssh_user"] = bootstrap_user
            try:
                timed(self)
            except ConnectError as second:
                message = f"{refusal.args[0]}; as bootstrap_user too: {second.args[0]}"
                raise ConnectError(message) from second
            finally:
                self.data["ssh_user"] = usual_user
            logger.info(f"{self.host.print_prefix}{usual_user} was refused, as {bootstrap_user}:")
        _use_sudo_unless_root(self.host)

    return connect_or_bootstrap


def _noting_key(authenticate: Callable[..., Any]) -> Callable[..., Any]:
    def authenticate_and_note(
        self: Transport, username: str, key: PKey, *args: Any, **kw: Any
    ) -> Any:
        rest = authenticate(self, username, key, *args, **kw)
        setattr(self, SESSION_KEY, key)
        return rest

    return authenticate_and_note


def _with_reason(connect: Callable[[SSHConnector], None]) -> Callable[..., None]:
    def connect_or_explain(self: SSHConnector) -> None:
        try:
            connect(self)
        except PyinfraError as error:
            # pyinfra shows a key that cannot be read as a crash, and explains nothing else.
            raise UnreachableError(
                why(_cause(error), str(error.args[0]), _attempt(self))
            ) from error
        trouble = _shell_trouble(self)
        if trouble:
            assert self.client is not None
            self.client.close()
            raise UnreachableError(trouble)

    return connect_or_explain


def _cause(error: BaseException) -> BaseException | None:
    """What paramiko or the network said."""
    found = error.__context__
    return _cause(found) if isinstance(found, PyinfraError) else found


def _attempt(connector: SSHConnector) -> Attempt:
    data, host = connector.data, connector.host
    client = connector.client
    config = getattr(client, "_ssh_config", None) or {}
    name = str(data["ssh_hostname"] or host.name)
    usual, bootstrap = data["ssh_user"], host.data.get("bootstrap_user")
    users = [user for user in (usual or config.get("username"), bootstrap) if user]
    known_hosts = data["ssh_known_hosts_file"] or getattr(client, "_host_keys_filename", None)
    return Attempt(
        address=address(host),
        alias=name if name != address(host) else None,
        port=int(data["ssh_port"] or config.get("port") or 22),
        users=tuple(dict.fromkeys(users)),
        key=data["ssh_key"] or None,
        bootstrap=bool(bootstrap) and bootstrap != usual,
        known_hosts=known_hosts or "~/.ssh/known_hosts",
    )


def _shell_trouble(connector: SSHConnector) -> str | None:
    assert connector.client is not None
    _, stdout, _ = connector.client.exec_command(f"echo {HELLO}", timeout=SHELL_TIMEOUT)
    try:
        lines = stdout.read().decode(errors="replace").splitlines()
    except TimeoutError:
        lines = []
    printed = [line for line in lines if line != HELLO]
    return shell_trouble(connected_user(connector.host) or "the user", printed, HELLO in lines)


def _use_sudo_unless_root(host: Host) -> None:
    # Data set on a live host comes before group data and config.SUDO.
    if connected_user(host) == "root":
        host.data._sudo = False
    else:
        host.data.override_datas.pop("_sudo", None)


def _with_umask(run: Callable[..., Any]) -> Callable[..., Any]:
    def run_with_umask(self: Any, command: Any, *args: Any, **kwargs: Any) -> Any:
        return run(self, StringCommand(f"umask {UMASK};", command), *args, **kwargs)

    return run_with_umask


def _counting(counter: str) -> Callable[[Any], Any]:
    def count(method: Callable[..., Any]) -> Callable[..., Any]:
        def counted(self: SSHConnector, *args: Any, **kwargs: Any) -> Any:
            data = self.host.connector_data
            data[counter] = data.get(counter, 0) + 1
            started = time.monotonic()
            try:
                return method(self, *args, **kwargs)
            finally:
                if counter == COMMANDS:
                    _note_command(data, time.monotonic() - started)

        return counted

    return count


def _note_command(data: Any, seconds: float) -> None:
    recent = data.get(RECENT_SECONDS)
    if recent is None:
        # Only with it the session of the login begins, which can take longest.
        data[RECENT_SECONDS] = deque(maxlen=RECENT)
        data[LOGIN_SECONDS] = data.get(LOGIN_SECONDS, 0.0) + seconds
    else:
        recent.append(seconds)
