"""One release at a time per application and host.

The lock is a file lock held by a process on the host that lives exactly as long as the operator's
connection: it cannot be left behind by a run that was killed or cut off. What is left is the text
in the file, which tells the next run who vanished.
"""

from __future__ import annotations

import json
import shlex
import time
from typing import Any

from pyinfra.api import Host, StringCommand
from pyinfra.connectors.ssh import SSHConnector
from pyinfra.connectors.util import extract_control_arguments, make_unix_command_for_host

from groundcrew.apps.paths import AppPaths
from groundcrew.releases.target import operator

HELD = "groundcrew_locks"
TIMEOUT = 20.0


class LockedError(Exception):
    """Another run holds the lock; the message says who and since when."""


def script(paths: AppPaths, holder: str) -> str:
    """Shell that takes the lock, says so, and keeps it until its input ends.

    Prints `locked TEXT` where TEXT is what a vanished holder left, or `held TEXT`. Told `done`, it
    clears the text; an input that just ends leaves it.
    """
    path = paths.lock
    return "\n".join(
        [
            f"exec 9>>{path} && chmod 0644 {path}",
            f'if ! flock -n 9; then echo "held $(cat {path})"; exit 0; fi',
            f'echo "locked $(cat {path})"',
            f"printf '%s' {shlex.quote(holder)} > {path}",
            'read -r word; if [ "$word" = done ]; then : > ' + path + "; fi",
        ]
    )


def acquire(host: Host, paths: AppPaths, arguments: dict[str, Any]) -> str | None:
    """Take the lock for the rest of the run, or until `release`.

    Returns who held it and vanished, if somebody did. Raises LockedError where it is held. Hosts
    that are not reached by SSH have one operator by nature, and no lock.
    """
    locks = host.connector_data.setdefault(HELD, {})
    if paths.name in locks or not isinstance(host.connector, SSHConnector):
        return None
    client = host.connector.client
    transport = client.get_transport() if client else None
    if transport is None:
        raise LockedError("the connection is gone")
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    holder = json.dumps({"operator": operator(), "since": since})
    arguments = dict(arguments)
    extract_control_arguments(arguments)  # type: ignore[arg-type]
    command = make_unix_command_for_host(
        host.state, host, StringCommand(script(paths, holder)), **arguments
    )
    channel = transport.open_session(timeout=TIMEOUT)
    channel.settimeout(TIMEOUT)
    channel.exec_command(command.get_raw_value())
    word, _, text = channel.makefile("r").readline().strip().partition(" ")
    if word == "locked":
        locks[paths.name] = channel
        return describe(text) if text else None
    channel.close()
    if word == "held":
        raise LockedError(f"{paths.name} is being released by {describe(text)}")
    raise LockedError(f"the lock of {paths.name} could not be taken: {word} {text}".rstrip())


def release(host: Host, name: str) -> None:
    """Give the lock back; nothing where it was not taken."""
    channel = host.connector_data.get(HELD, {}).pop(name, None)
    if channel is not None:
        channel.sendall(b"done\n")
        channel.settimeout(TIMEOUT)
        channel.recv_exit_status()
        channel.close()


def release_all(host: Host) -> None:
    """Give all locks of a host back."""
    for name in list(host.connector_data.get(HELD, {})):
        release(host, name)


def describe(text: str) -> str:
    """`OPERATOR since TIME` from the lock's text."""
    try:
        holder = json.loads(text)
        return f"{holder['operator']} since {holder['since']}"
    except (ValueError, KeyError):
        return text or "somebody"
