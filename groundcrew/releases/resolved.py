"""Resolves unpinned requirements to the same versions on every host.

The first host that builds a release resolves them; the others wait and use its result. Hosts wait
in the order of the applications, which is the same on all hosts, so there is no deadlock.
"""

from __future__ import annotations

from collections.abc import Sequence

from gevent.lock import RLock  # type: ignore[import-untyped]
from pyinfra.api import Host, StringCommand

from groundcrew.releases.once import Turn, turn
from groundcrew.releases.plan import ReleasePlan
from groundcrew.releases.undo import connector_arguments
from groundcrew.remote.build_steps import RESOLVED
from groundcrew.transport import arguments_of


def from_another_host(plan: ReleasePlan, host: Host) -> str | None:
    """The release's requirements as another host resolved them. None if no other host has, or if
    all versions are pinned."""
    if not plan.requirements.open_ended:
        return None
    mine = _turn(plan, host)
    if mine.host != host.name:
        mine.over.wait()
        return _of_first(host.state.inventory.get_host(mine.host), plan, host)
    others = (other for other in host.state.inventory if other.connected and other is not host)
    return next((text for other in others if (text := _read(other, plan, host))), None)


def end(plans: Sequence[ReleasePlan], host: Host) -> None:
    """The host has built its releases: hosts that wait for it go on."""
    for plan in plans:
        if plan.requirements.open_ended and (mine := _turn(plan, host)).host == host.name:
            mine.end(good=True)


_texts: dict[tuple[str, str], str] = {}
_reading: dict[tuple[str, str], RLock] = {}


def _of_first(first: Host, plan: ReleasePlan, host: Host) -> str | None:
    """The first host's result, read once for all: an SSH server limits the sessions of a connection
    (`MaxSessions`), and all other hosts ask at the same moment."""
    key = (plan.paths.name, plan.environment_key)
    with _reading.setdefault(key, RLock()):
        if key not in _texts and (text := _read(first, plan, host)):
            _texts[key] = text
        return _texts.get(key)


def _turn(plan: ReleasePlan, host: Host) -> Turn:
    return turn("resolve", plan.paths.name, plan.environment_key, host.name)


def _read(other: Host, plan: ReleasePlan, host: Host) -> str | None:
    # Root copied the file from the build, and only if it was a regular file.
    place = f"{plan.paths.releases}/*/{RESOLVED}"
    wanted = f"*/{plan.environment_key}.*/venv"
    command = StringCommand(
        f"for file in {place}; do case $(readlink ${{file%/*}}/venv) in "
        f'({wanted} | */{plan.environment_key}-*/venv) cat "$file"; break;; esac; done'
    )
    good, output = other.run_shell_command(
        command, **arguments_of(other, connector_arguments(host))
    )
    return output.stdout or None if good else None
