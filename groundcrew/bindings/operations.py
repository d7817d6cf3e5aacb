"""Brings the contents of servers, such as accounts and databases, to their wanted state, and logins
to the hosts that need them."""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from typing import Any

from pyinfra import host, logger
from pyinfra.api import FunctionCommand, Host, OperationError, StringCommand, operation

from groundcrew import record, remote
from groundcrew.bindings import Binding, Link
from groundcrew.bindings.bound import ca_file, certificate_file
from groundcrew.bindings.facts import ServerStates, command
from groundcrew.contract import ServerState
from groundcrew.facts.logins import GivenLogin, StoredLogin, TakenLogin
from groundcrew.manifest.paths import AppPaths
from groundcrew.read_first import reading_first
from groundcrew.releases.undo import connector_arguments
from groundcrew.transport import arguments_of

DIGESTS = "groundcrew_login_digests"
Commands = Generator[StringCommand | FunctionCommand, None, None]


@operation()
@reading_first
def contents(states: Sequence[ServerState], given: Sequence[Link] = ()) -> Commands:
    """Brings what the servers of the host contain to its wanted state: one fact, and one command if
    anything differs.

    + states: what the servers must contain
    + given: what other hosts fetch logins for
    """
    stored = [_on_provider(binding) for binding in given]
    report = host.get_fact(ServerStates, states=states, logins=stored)
    lines = [f"{title}: {line}" for title, texts in report["differences"].items() for line in texts]
    if not lines:
        host.noop("the servers contain what they should")
    else:
        record.change(host, lines)
        for line in lines if host.state.config.DIFF else ():
            host.log(line)
        yield command(states, stored, converge=True)
        if host.state.is_executing and stored:
            report = host.get_fact(ServerStates, states=[], logins=stored)
    if host.state.is_executing:
        known = host.connector_data.get(DIGESTS, {})
        host.connector_data[DIGESTS] = {**known, **report["digests"]}


@operation()
@reading_first
def logins(bindings: Sequence[Link]) -> Commands:
    """Fetches the logins that other hosts provide, unless the host has them already. They go
    through this process alone, and to nothing that is logged.

    + bindings: needs of this host's applications, and what it has replicas of
    """
    stored: list[StoredLogin] = [
        {"store": item.store, "certificate": ca_file(item)} for item in bindings
    ]
    mine = host.get_fact(ServerStates, states=[], logins=stored)["digests"]
    missing = [item for item in bindings if _differs(item, mine.get(item.store))]
    if not missing:
        host.noop("the logins are here")
        return
    yield FunctionCommand(_fetch, (missing,), {})


@operation()
def rotate(states: Sequence[ServerState], given: Sequence[Link]) -> Commands:
    """Makes up new passwords. The old ones work until `finish`.

    + states: what the servers must contain
    + given: what other hosts, or the host itself, have logins for
    """
    stored = [_on_provider(binding) for binding in given]
    yield command(states, stored, converge=True, rotate=given)
    if host.state.is_executing:
        report = host.get_fact(ServerStates, states=[], logins=stored)
        host.connector_data[DIGESTS] = report["digests"]


@operation()
def finish(states: Sequence[ServerState], given: Sequence[Link]) -> Commands:
    """Ends rotations: the old passwords work no longer.

    + states: what the servers must contain
    + given: what other hosts, or the host itself, have logins for
    """
    yield command(states, [], converge=True, finish=given)


@operation()
def refresh(bindings: Sequence[Binding]) -> Commands:
    """Gives the releases that are kept the new logins, for rollbacks.

    + bindings: needs of this host's applications
    """
    folders = sorted({AppPaths(item.app).releases for item in bindings})
    request = {"releases": folders, "stores": [item.store for item in bindings]}
    yield remote.command("refresh_logins", json.dumps(request))


@operation()
def purge(states: Sequence[ServerState], app: str) -> Commands:
    """Removes databases and logins of an application for good, and lists them.

    + states: what the servers must contain
    + app: the application, which no host has any more
    """
    differences = host.get_fact(ServerStates, states=states, logins=[], purge=app)["differences"]
    lines = [f"{title} {line}" for title, names in differences.items() for line in names]
    if not lines:
        host.noop(f"no server has data of {app}")
        return
    logger.info("\n    ".join([f"{app} leaves the servers of {host.name}:", *lines]))
    yield command(states, [], converge=True, purge=app)


def _on_provider(link: Link) -> StoredLogin:
    return {"store": link.store, "certificate": certificate_file(link.role)}


def _differs(link: Link, mine: str | None) -> bool:
    provider = host.state.inventory.get_host(link.provider)
    if not provider.connected:
        if mine is None and host.state.is_executing:
            raise OperationError(
                f"{link.title} is not here yet: {link.provider}, "
                "which provides it, must be part of this run"
            )
        return False
    theirs = provider.connector_data.get(DIGESTS, {}).get(link.store)
    if theirs is None and not host.state.is_executing:
        # A dry run may come here before it has read the provider.
        return mine is None
    return theirs is None or theirs != mine


def _fetch(links: Sequence[Link]) -> None:
    """Copies logins from the hosts that provide them to the current host."""
    arguments = connector_arguments(host)
    taken: list[TakenLogin] = []
    for link in links:
        provider = host.state.inventory.get_host(link.provider)
        stored = _on_provider(link)
        printed = _run(provider, remote.command("give_login", payload=stored), arguments)
        login: GivenLogin = json.loads(printed)
        taken.append({**login, "store": link.store, "ca": ca_file(link)})
    _run(host, remote.command("take_logins", payload=taken), arguments)


def _run(on: Host, program: StringCommand, arguments: dict[str, Any]) -> str:
    options = {**arguments_of(on, arguments), **program.connector_arguments}
    good, output = on.run_shell_command(program, **options)
    if not good:
        raise OperationError(f"{on.name}: {output.stderr.strip() or 'failed'}")
    return str(output.stdout)
