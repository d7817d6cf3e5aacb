"""Makes a replica the primary.

A role's module for this (`Promotion.module` in `groundcrew/contract.py`) runs on hosts as root, as
the programs of `groundcrew/remote` do. Each of its functions gets the request and returns JSON:

- `ready`, on the replica: `recovering`, whether it still is one; if so, how far behind it is (see
  `groundcrew/bindings/lag.py`), and `reachable`, whether its primary answers it.
- `retire`, on the primary: lets it accept no more writes, even after a restart, and returns as
  `target` what the replica must have received by then. It can be repeated.
- `resume`, on the primary: undoes that.
- `promote`, on the replica: waits until it has `target`, at most `timeout` seconds, and makes it
  accept writes. `promoted` is false, with a `reason`, only if it certainly stays a replica; `last`
  is the time from which the last of its changes is.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import Any

from pyinfra import logger
from pyinfra.api import FunctionCommand, Host, State, operation

from groundcrew import remote
from groundcrew.bindings import Replication
from groundcrew.bindings.lag import lag
from groundcrew.contract import Promotion
from groundcrew.facts.replication import OwnLag, Promoted, Retired
from groundcrew.releases.undo import connector_arguments
from groundcrew.transport import arguments_of

CAUGHT_UP = 120
"""Seconds that the replica gets for the rest, after the primary has accepted its last write."""


@operation(is_idempotent=False)
def promote(
    link: Replication, how: Promotion, planned: bool
) -> Generator[FunctionCommand, None, None]:
    """Makes the current host's replica the primary. Nothing is lost if the old primary is part of
    the run: it accepts no more writes first, and the replica gets all that it has.

    + link: the replica, and its primary
    + how: what the role says about it
    + planned: whether the primary is part of the run
    """
    yield FunctionCommand(_run, (link, how, planned), {})


class _RefusedError(Exception):
    """The promotion cannot go on; the message says why."""


def _run(state: State, host: Host, link: Replication, how: Promotion, planned: bool) -> bool:
    try:
        message = _promote(state, host, link, how, planned)
    except _RefusedError as error:
        host.log_styled(str(error), log_func=logger.error, fg="red")
        return False
    logger.info(message)
    return True


def _promote(state: State, host: Host, link: Replication, how: Promotion, planned: bool) -> str:
    """Makes the replica the primary. Returns what is to be told."""
    primary = state.inventory.get_host(link.provider)
    arguments = connector_arguments(host)

    def call(on: Host, function: str, request: dict[str, Any]) -> Any:
        return _call(on, how.module, function, request, arguments)

    request = dict(how.request)
    lag_now: OwnLag = call(host, "ready", request)
    if not lag_now["recovering"]:
        # An earlier run has been interrupted, or has done all.
        call(host, "promote", {**request, "target": None, "timeout": 0})
        return _told(link, how, f"{link.replica} has been promoted already.", planned)
    if not planned:
        if lag_now["reachable"]:
            raise _RefusedError(
                f"{link.provider} still answers, and would go on accepting writes: make it part of "
                "the run (without --limit), or stop it first"
            )
        done: Promoted = call(host, "promote", {**request, "target": None, "timeout": 0})
        last = done["last"] or "an unknown time"
        text = f"It has what it had received; the last of it is from {last}."
        return _told(link, how, text, planned)
    if lag_now["streaming"] and lag_now["seconds"] > how.max_lag:
        raise _RefusedError(f"{link.replica} is {lag(lag_now)}: wait until it has caught up")
    if not lag_now["streaming"] and lag_now["reachable"]:
        raise _RefusedError(
            f"{link.replica} receives nothing from {link.provider}, which answers: run deploy.py"
        )
    retired: Retired = call(primary, "retire", request)
    target = retired["target"]
    done = call(host, "promote", {**request, "target": target, "timeout": CAUGHT_UP})
    if not done["promoted"]:
        call(primary, "resume", request)
        raise _RefusedError(
            f"{link.replica} stays a replica: {done['reason']}. {link.provider} accepts writes "
            "again"
        )
    text = f"It has everything that {link.provider} had, which accepts no more writes."
    return _told(link, how, text, planned)


def _told(link: Replication, how: Promotion, text: str, planned: bool) -> str:
    """What has happened, and what to do next."""
    old, new = link.provider, link.replica
    follows = f'{how.key} = "{new}"'
    lines = [
        f"{new} is the primary of {how.title} now. {text}",
        "Change the inventory, and run deploy.py; until then no application reaches it:",
        f"  {new}: without {how.key}",
        f"  {old}: {follows if planned else f'not in the group {link.role}'}",
        f"  other replicas of {old}, and needs with `host: {old}`: {new} instead",
    ]
    if not planned:
        lines += [
            f"{old} must not run before that: it would accept writes that {new} never sees.",
            f"When it is back, it can be in the group again, with {follows}.",
        ]
    return "\n    ".join(lines)


def _call(
    on: Host, module: str, function: str, request: dict[str, Any], arguments: dict[str, Any]
) -> Any:
    """What a step on a host returns. Raises _RefusedError with its reason."""
    payload = {"module": module, "function": function, "request": request}
    program = remote.command("call", payload=payload, modules=(module,))
    options = {**arguments_of(on, arguments), **program.connector_arguments}
    good, output = on.run_shell_command(program, **options)
    if not good:
        raise _RefusedError(f"{on.name}: {output.stderr.strip() or 'failed'}")
    return json.loads(output.stdout.splitlines()[-1])
