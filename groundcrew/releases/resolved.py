"""Requirements that leave versions open become the same on every host.

The first host that builds a release resolves them; the others wait for it, and take what it has
found. Hosts wait in the order of the applications, which is the same for all: never in a circle.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyinfra.api import Host, StringCommand

from groundcrew.releases.once import Turn, turn
from groundcrew.releases.plan import ReleasePlan
from groundcrew.releases.undo import connector_arguments
from groundcrew.remote.build_steps import RESOLVED


def elsewhere(plan: ReleasePlan, host: Host) -> str | None:
    """What another host has made of the release's requirements; None where no other has, or where
    there is nothing to find out."""
    if not plan.requirements.open_ended:
        return None
    mine = _turn(plan, host)
    if mine.host != host.name:
        mine.over.wait()
        return _read(host.state.inventory.get_host(mine.host), plan, host)
    others = (other for other in host.state.inventory if other.connected and other is not host)
    return next((text for other in others if (text := _read(other, plan, host))), None)


def end(plans: Sequence[ReleasePlan], host: Host) -> None:
    """The host has built its releases: those that wait for it go on."""
    for plan in plans:
        if plan.requirements.open_ended and (mine := _turn(plan, host)).host == host.name:
            mine.end(good=True)


def _turn(plan: ReleasePlan, host: Host) -> Turn:
    return turn("resolve", plan.paths.name, plan.environment_key, host.name)


def _read(other: Host, plan: ReleasePlan, host: Host) -> str | None:
    # Root has copied it from the build, and only where it was a regular file.
    place = f"{plan.paths.releases}/*/{RESOLVED}"
    wanted = f"*/{plan.environment_key}.*/venv"
    command = StringCommand(
        f"for file in {place}; do case $(readlink ${{file%/*}}/venv) in "
        f'({wanted} | */{plan.environment_key}-*/venv) cat "$file"; break;; esac; done'
    )
    good, output = other.run_shell_command(command, **connector_arguments(host))
    return output.stdout or None if good else None
