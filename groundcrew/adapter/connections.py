"""Changes pyinfra's connections.

- TCP_NODELAY: paramiko leaves Nagle's algorithm on, which costs about 40 ms per command.
- A command's channel is opened while the previous one runs (`spare_channel`).
- Commands of root run in one process on the host (`root_process`).
- A bare host has no admin user yet: if `ssh_user` is refused, `bootstrap_user` is tried.
- A failed connection reports the cause and what to do. A shell that runs no commands, or prints
  text before their output, is a failure.
- A host reached as root may have no sudo: commands run without it.
- Commands run with Debian's umask (022): with a stricter umask of root's, applications could not
  access files that they need. Private files are made private explicitly.
- Commands are counted, for benchmarks, and timed: a slow host gets more time.
- paramiko gets a post-quantum key exchange (`post_quantum`) and loses signatures over SHA-1
  (`rsa_signatures`).

`groundcrew.transport` reads what is noted here about a connection.
"""

from __future__ import annotations

import socket
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from paramiko import AuthenticationException, PKey, Transport
from pyinfra import logger
from pyinfra.api import Host
from pyinfra.api.command import StringCommand
from pyinfra.api.exceptions import ConnectError, PyinfraError
from pyinfra.connectors.local import LocalConnector
from pyinfra.connectors.ssh import SSHConnector
from pyinfra.connectors.sshuserclient.client import SSHClient

from groundcrew.adapter import (
    post_quantum,
    root_process,
    rsa_signatures,
    spare_channel,
    sudo_password,
)
from groundcrew.adapter.patching import expect, replace
from groundcrew.connecting import Attempt, is_down, shell_trouble, why
from groundcrew.transport import (
    COMMANDS,
    DOWN,
    LOGIN_SECONDS,
    RECENT,
    RECENT_SECONDS,
    SESSION,
    SESSION_KEY,
    TRANSFERS,
    address,
    connected_user,
)

SHELL_TIMEOUT = 30.0
HELLO = "groundcrew-hello"

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


class UnreachableError(ConnectError):
    """A host cannot be used; the message has the cause and advice, separated by a line break.
    pyinfra prints the cause; the report at the end contains both."""

    def __init__(self, text: str) -> None:
        super().__init__(text.split("\n", 1)[0])
        self.text = text

    def __str__(self) -> str:
        return self.text


def install() -> None:
    """Applies the changes, once. Raises UnexpectedPyinfraError if pyinfra is not as expected."""
    for owner, name, parameter in EXPECTED:
        expect(owner, name, parameter)
    post_quantum.install()
    rsa_signatures.install()
    spare_channel.install()
    sudo_password.install()
    replace(SSHClient, "connect", _with_our_ways)
    replace(SSHConnector, "_connect", _with_bootstrap_user)
    replace(SSHConnector, "connect", _with_reason)
    replace(Transport, "auth_publickey", _noting_key)
    replace(SSHConnector, "run_shell_command", _our_commands)
    replace(LocalConnector, "run_shell_command", _with_umask)
    replace(SSHConnector, "put_file", _counting(TRANSFERS))
    replace(SSHConnector, "get_file", _counting(TRANSFERS))


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
        root_process.wanted(self.host)
        try:
            connect(self)
        except PyinfraError as error:
            # pyinfra reports an unreadable key as a crash, and explains no other error.
            cause = _cause(error)
            self.host.connector_data[DOWN] = is_down(cause)
            raise UnreachableError(why(cause, str(error.args[0]), _attempt(self))) from error
        trouble = _shell_trouble(self)
        if trouble:
            assert self.client is not None
            self.client.close()
            raise UnreachableError(trouble)

    return connect_or_explain


def _cause(error: BaseException) -> BaseException | None:
    """The original exception from paramiko or the network."""
    context = error.__context__
    return _cause(context) if isinstance(context, PyinfraError) else context


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
    _, stdout, _ = connector.client.exec_command(
        f"echo {HELLO} $SSH_CONNECTION", timeout=SHELL_TIMEOUT
    )
    try:
        lines = stdout.read().decode(errors="replace").splitlines()
    except TimeoutError:
        lines = []
    answers = [line for line in lines if line.split(" ")[0] == HELLO]
    printed = [line for line in lines if line not in answers]
    for answer in answers:
        connector.host.connector_data[SESSION] = answer.removeprefix(HELLO).strip()
    return shell_trouble(connected_user(connector.host) or "the user", printed, bool(answers))


def _use_sudo_unless_root(host: Host) -> None:
    # Data set on a live host takes precedence over group data and config.SUDO.
    if connected_user(host) == "root":
        host.data._sudo = False
    else:
        host.data.override_datas.pop("_sudo", None)


def _our_commands(run: Callable[..., Any]) -> Callable[..., Any]:
    alone = _timing(_with_umask(run))
    counted: Callable[..., Any] = _counting(COMMANDS)(root_process.instead(alone))
    return counted


def _with_umask(run: Callable[..., Any]) -> Callable[..., Any]:
    def run_with_umask(self: Any, command: Any, *args: Any, **kwargs: Any) -> Any:
        return run(self, StringCommand(f"umask {root_process.UMASK};", command), *args, **kwargs)

    return run_with_umask


def _counting(counter: str) -> Callable[[Any], Any]:
    def count(method: Callable[..., Any]) -> Callable[..., Any]:
        def counted(self: SSHConnector, *args: Any, **kwargs: Any) -> Any:
            data = self.host.connector_data
            data[counter] = data.get(counter, 0) + 1
            return method(self, *args, **kwargs)

        return counted

    return count


def _timing(run: Callable[..., Any]) -> Callable[..., Any]:
    """Notes how long a command takes that has a session of its own."""

    def timed(self: SSHConnector, *args: Any, **kwargs: Any) -> Any:
        started = time.monotonic()
        try:
            return run(self, *args, **kwargs)
        finally:
            _note_command(self.host.connector_data, time.monotonic() - started)

    return timed


def _note_command(data: Any, seconds: float) -> None:
    recent = data.get(RECENT_SECONDS)
    if recent is None:
        # The first command starts the login session, which can take longest.
        data[RECENT_SECONDS] = deque(maxlen=RECENT)
        data[LOGIN_SECONDS] = data.get(LOGIN_SECONDS, 0.0) + seconds
    else:
        recent.append(seconds)
