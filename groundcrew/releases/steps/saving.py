"""The backup that is made before release hooks run."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from pyinfra import host, logger
from pyinfra.api import Host, OperationError, QuoteString, StringCommand

from groundcrew.facts.backups import Moments
from groundcrew.releases.plan import ReleasePlan
from groundcrew.releases.undo import connector_arguments
from groundcrew.remote.backup_plan import PROGRAM
from groundcrew.remote.printable import printable
from groundcrew.transport import arguments_of


def save(plan: ReleasePlan, *, first: bool) -> str | None:
    """Backs the application up on all hosts that have data of it, if its manifest asks for it, and
    shows the moment to go back to. Returns why that fails; None if it does not. With `first`, no
    release of it is live here yet."""
    if not plan.app.release.backup_before_hooks:
        return None
    try:
        _save_all(plan, first)
    except OperationError as error:
        return str(error)
    return None


def _save_all(plan: ReleasePlan, first: bool) -> None:
    app = plan.paths.name
    hosts = [_connected(app, name) for name in with_data(host.name, plan.app.bound.providers)]
    # What is restored as of its last backup comes first, so that all of it has the moment.
    loose = [time for item in hosts for time in _save(item, app, exact=False, first=first)]
    exact = [time for item in hosts for time in _save(item, app, exact=True, first=first)]
    if not (loose or exact):
        logger.info(f"[{host.name}] {app}: nothing of it has ever been stored, so nothing is now")
        return
    logger.info(
        f"[{host.name}] {app} is backed up. To go back to the moment before these hooks: "
        f'playbooks/restore.py --data app={app} --data at="{moment(loose, exact)}" '
        f"--data restore={app}"
    )


def with_data(mine: str, providers: Iterable[str]) -> list[str]:
    """The hosts with data of an application, the one that runs it first."""
    return list(dict.fromkeys([mine, *sorted(providers)]))


def moment(loose: Sequence[float], exact: Sequence[float]) -> str:
    """A time that every backup has, in UTC: `exact` ones have any up to theirs."""
    milliseconds = math.floor(min(exact) * 1000) if exact else math.ceil(max(loose) * 1000)
    return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d %H:%M:%S.%f}"[:-3]


def _connected(app: str, name: str) -> Host:
    holder = host.state.inventory.get_host(name)
    if not holder.connected:
        raise OperationError(
            f"{app} is backed up before its release hooks (release.backup_before_hooks): {name}, "
            "which has data of it, must be part of this run"
        )
    return holder


def _save(on: Host, app: str, *, exact: bool, first: bool) -> list[float]:
    request = json.dumps({"app": app, "exact": exact, "first": first})
    program = StringCommand(f"/usr/bin/python3 -IS {PROGRAM} before", QuoteString(request))
    arguments = arguments_of(on, connector_arguments(host))
    good, output = on.run_shell_command(program, **arguments)
    if not good:
        why = printable(output.stderr.strip() or output.stdout.strip())
        raise OperationError(
            f"{app} is not released: it cannot be backed up on {on.name} first: {why}"
        )
    answer: Moments = json.loads(output.stdout.splitlines()[-1])
    return answer["moments"]
