"""Explains why a host cannot be connected to, and what to do about it. Pure functions."""

from __future__ import annotations

import errno
import re
from collections.abc import Sequence
from dataclasses import dataclass
from socket import gaierror

from paramiko import AuthenticationException, BadHostKeyException, SSHException
from paramiko.ssh_exception import NoValidConnectionsError

NAMED_BY_SSH = "no such name: give its address as `ssh_hostname`, or an alias in ~/.ssh/config"
UNREACHABLE = {errno.EHOSTUNREACH, errno.EHOSTDOWN, errno.ENETUNREACH, errno.ENETDOWN}
SET_IN = "group_data/all.py, the inventory or --data"


@dataclass(frozen=True)
class Attempt:
    """An attempt to connect."""

    address: str
    port: int = 22
    users: tuple[str, ...] = ()
    """The users that were tried, in order."""

    key: str | None = None
    """The file named by `ssh_key`."""

    bootstrap: bool = False
    """Whether the last user is `bootstrap_user`."""

    known_hosts: str = "~/.ssh/known_hosts"

    alias: str | None = None
    """The host's alias in ~/.ssh/config, which defines the rest."""

    @property
    def command(self) -> str:
        """The equivalent ssh command."""
        if self.alias:
            return f"ssh {self.users[-1]}@{self.alias}" if self.users else f"ssh {self.alias}"
        port = f" -p {self.port}" if self.port != 22 else ""
        key = f" -i {self.key}" if self.key else ""
        user = f"{self.users[-1]}@" if self.users else ""
        return f"ssh{port}{key} {user}{self.address}"


def why(error: BaseException | None, said: str, attempt: Attempt) -> str:
    """The cause, then what to do; lines with commands are indented.

    `error` is the exception behind the message `said`.
    """
    cause, step = _why(error, said, attempt)
    return f"{cause}\n{step}" if step else cause


def is_down(error: BaseException | None) -> bool:
    """Whether nothing answers at the address, or a server that says nothing; `error` is the
    exception behind the message."""
    if isinstance(error, SSHException):
        return "protocol banner" in str(error)
    if isinstance(error, (TimeoutError, ConnectionError, NoValidConnectionsError)):
        return True
    # Other errors are of files, such as a key, and of names.
    return isinstance(error, OSError) and error.errno in UNREACHABLE


def _why(error: BaseException | None, said: str, attempt: Attempt) -> tuple[str, str]:
    place = attempt.address if attempt.port == 22 else f"{attempt.address} port {attempt.port}"
    match error:
        case BadHostKeyException():
            entry = attempt.address if attempt.port == 22 else f"[{attempt.address}]:{attempt.port}"
            return (
                f"the host key of {place} is not the one in {attempt.known_hosts}",
                "It was reinstalled, or something else answers there. If you know that it was:\n"
                f"  ssh-keygen -f {attempt.known_hosts} -R '{entry}'",
            )
        case AuthenticationException():
            return _refused(attempt)
        case gaierror():
            return f"{place}: {NAMED_BY_SSH}", ""
        case TimeoutError():
            return (
                f"{place} does not answer",
                f"Is it up, and does a firewall let you through? Try:\n  {attempt.command}",
            )
        case NoValidConnectionsError() | OSError():
            reason = "refuses connections" if _is_refused(error) else f"not reached: {error}"
            return (
                f"{place} {reason}",
                f"Is sshd running there, and is `ssh_port` right? Try:\n  {attempt.command}",
            )
    if "No authentication methods available" in said:
        return (
            "there is no SSH key to log in with: no agent has one, and ~/.ssh has none",
            f"Name one with `ssh_key` ({SET_IN}), or make one with ssh-keygen and put its .pub "
            "on the host",
        )
    if isinstance(error, EOFError) and "reading a line" in said:
        return (
            "the host on the way (ProxyJump) is not in known_hosts, and nobody is there to ask",
            f"Log in once by hand, and compare its fingerprint:\n  {attempt.command}",
        )
    if "StrictPolicy" in said:
        return (
            f"{attempt.known_hosts} has no host key of {place}, and "
            '`ssh_strict_host_key_checking` is "yes"',
            f'Compare its fingerprint and add it, or set "accept-new" once:\n  {attempt.command}',
        )
    if "private key" in said.lower() or "Invalid key" in said:
        return said, f"`ssh_key` names it: {SET_IN}"
    return said, f"Try:\n  {attempt.command}"


def _is_refused(error: BaseException) -> bool:
    inner = list(getattr(error, "errors", {}).values()) or [error]
    return all(isinstance(item, ConnectionRefusedError) for item in inner)


def _refused(attempt: Attempt) -> tuple[str, str]:
    if not attempt.users:
        return (
            f"{attempt.address} refused the login, and no `ssh_user` is set",
            f"Set it in {SET_IN}; is this the project's directory?",
        )
    *others, last = attempt.users
    who = f"{last} (bootstrap_user)" if attempt.bootstrap else last
    key = f"the key {attempt.key}" if attempt.key else "any key of the agent or ~/.ssh"
    advice = f"`ssh_key` names the key, `bootstrap_user` the user of a bare host ({SET_IN}): root, "
    advice += f"debian, admin, ..., depending on the provider. Try:\n  {attempt.command}"
    return f"{attempt.address} refused {' and '.join([*others, who])} with {key}", advice


LOGIN_AS = re.compile(r"(?:login|log in) as (?:the )?user\W+([a-z_][a-z0-9_-]*)", re.IGNORECASE)


def shell_trouble(user: str, printed: Sequence[str], ran: bool) -> str | None:
    """What is wrong with a shell that `printed` these lines before a command's own output; None if
    nothing is. `ran` tells whether the command's output came."""
    lines = [line for line in printed if line.strip()]
    if ran and not lines:
        return None
    text = lines[0].strip() if lines else "nothing"
    named = LOGIN_AS.search(" ".join(lines))
    if named or not ran:
        other = f'"{named[1]}"' if named else '"debian", "admin", ... (by provider)'
        return (
            f"{user} may log in but run nothing; the host says: {text}\n"
            f"Set bootstrap_user = {other} in {SET_IN}"
        )
    return (
        f"the shell of {user} prints before it runs a command: {text}\n"
        "Programs cannot tell that from their own output. On the host, put this first in the "
        "~/.bashrc that prints:\n  case $- in *i*) ;; *) return;; esac"
    )
