"""Locks that allow one release at a time per application and host.

One process on the host holds all locks of a run. It lives exactly as long as the operator's
connection, so a run that was killed or cut off cannot leave locks behind. The text in the lock file
remains: it tells the next run whose run vanished, and it tells steps of that run that are still
running that they have been superseded (see `groundcrew/remote/run_lock.py`).
"""

from __future__ import annotations

import contextlib
import json
import secrets
import shlex
import time
from dataclasses import dataclass, field
from typing import Any

from paramiko import Channel
from pyinfra.api import Host
from pyinfra.connectors.ssh import SSHConnector
from pyinfra.connectors.util import extract_control_arguments, make_unix_command_for_host

from groundcrew import remote
from groundcrew.facts.locks import LockAnswer
from groundcrew.manifest.paths import AppPaths
from groundcrew.releases.target import Run, operator

HELD = "groundcrew_locks"
TIMEOUT = 20.0
PATIENCE = 90.0
"""Seconds to wait for an answer: the host may be waiting for steps of a run that is gone."""


class LockedError(Exception):
    """Another run holds the lock, or it could not be taken; the message says who holds it or
    why."""


@dataclass
class HostLocks:
    """The process on a host that holds its locks, and the names of the applications."""

    channel: Channel
    lines: Any
    holder: str
    """The text in the lock files."""

    names: set[str] = field(default_factory=set)

    def ask(self, word: str, name: str) -> LockAnswer:
        """Sends a line to the process and returns its answer. Raises LockedError if there is
        none."""
        try:
            self.channel.sendall(f"{word} {name}\n".encode())
            answer: LockAnswer = json.loads(self.lines.readline())
        except (OSError, ValueError, EOFError) as error:
            reason = str(error) or type(error).__name__
            raise LockedError(f"the lock of {name} could not be taken: {reason}") from None
        return answer


def acquire(host: Host, paths: AppPaths, arguments: dict[str, Any]) -> str | None:
    """Takes the lock for the rest of the run, or until `release`.

    Returns the previous holder if its run vanished, else None. Raises LockedError if another run
    holds the lock. Hosts that are not reached over SSH have only one operator and no lock.
    """
    if not isinstance(host.connector, SSHConnector):
        return None
    locks: HostLocks | None = host.connector_data.get(HELD)
    if locks is None:
        locks = host.connector_data[HELD] = _begin(host, arguments)
    if paths.name in locks.names:
        return None
    answer = locks.ask("take", paths.name)
    match answer["state"]:
        case "locked":
            locks.names.add(paths.name)
            return describe(answer["left"]) if answer["left"] else None
        case "held":
            raise LockedError(f"{paths.name} is being released by {describe(answer['by'])}")
        case "busy":
            raise LockedError(
                f"{paths.name}: a step of a run that is gone is still at work on the host; "
                "try again in a moment"
            )
    raise LockedError(f"the lock of {paths.name} could not be taken: {answer.get('why', answer)}")


def _begin(host: Host, arguments: dict[str, Any]) -> HostLocks:
    """Starts the process in one session for all locks of a host: sshd allows ten at a time."""
    client = host.connector.client  # type: ignore[attr-defined]
    transport = client.get_transport() if client else None
    if transport is None:
        raise LockedError("the connection is gone")
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    holder = json.dumps({"operator": operator(), "since": since, "run": secrets.token_hex(8)})
    arguments = dict(arguments)
    extract_control_arguments(arguments)  # type: ignore[arg-type]
    command = make_unix_command_for_host(
        host.state, host, remote.command("hold_locks", holder), **arguments
    )
    channel = transport.open_session(timeout=TIMEOUT)
    channel.settimeout(PATIENCE)
    channel.exec_command(command.get_raw_value())
    return HostLocks(channel, channel.makefile("r"), holder)


def run_of(host: Host, paths: AppPaths) -> Run:
    """What steps on the host need to know about this run, see `groundcrew/remote/run_lock.py`; None
    if the run does not hold the application's lock."""
    locks: HostLocks | None = host.connector_data.get(HELD)
    if locks is None or paths.name not in locks.names:
        return None
    return {"lock": paths.lock, "steps": paths.steps, "holder": locks.holder}


def guarded(host: Host, paths: AppPaths, shell: str) -> str:
    """Wraps a shell command of this run: it fails once another run has taken over, and makes other
    runs wait while it runs. Returned unchanged if this run does not hold the lock."""
    run = run_of(host, paths)
    if run is None:
        return shell
    return (
        f"exec 8>>{paths.steps} && flock -s 8 && "
        f'if [ "$(cat {paths.lock})" != {shlex.quote(run["holder"])} ]; then '
        "echo 'another run has taken over; nothing more was done here' >&2; exit 1; fi && "
        f"{{\n{shell}\n}}"
    )


def release(host: Host, name: str) -> None:
    """Releases the lock; does nothing if the run does not hold it."""
    locks: HostLocks | None = host.connector_data.get(HELD)
    if locks is not None and name in locks.names:
        locks.names.discard(name)
        locks.ask("free", name)


def give_up(host: Host, name: str) -> None:
    """Releases the lock after a failure, even if the connection is gone."""
    with contextlib.suppress(LockedError):
        release(host, name)


def release_all(host: Host) -> None:
    """Releases all locks of a host."""
    locks: HostLocks | None = host.connector_data.pop(HELD, None)
    if locks is None:
        return
    try:
        for name in sorted(locks.names):
            locks.ask("free", name)
    except LockedError:
        # The connection is gone, and the locks with it.
        pass
    locks.channel.close()


def describe(text: str) -> str:
    """`OPERATOR since TIME` from the lock's text."""
    try:
        holder = json.loads(text)
        return f"{holder['operator']} since {holder['since']}"
    except (ValueError, KeyError, TypeError):
        return text or "somebody"
