"""Applications that are idle on hosts: balancers hand them over to the others."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from typing import Any

from pyinfra import host
from pyinfra.api import FunctionCommand, deploy, operation

from groundcrew import remote
from groundcrew.bindings import Place
from groundcrew.operations.guard import refuse
from groundcrew.releases.undo import connector_arguments
from groundcrew.roles.haproxy import builders
from groundcrew.roles.haproxy.brings import ON_HOST
from groundcrew.roles.haproxy.settings import HaproxySettings


@deploy("balancer")
def hand_over(settings: HaproxySettings, place: Place) -> None:
    """Returns when hosts where applications are idle have no more requests in progress. Fails on a
    balancer that has no other healthy host of an application."""
    _wait(settings, place, "idle hosts have no more requests", "handed_over")


@deploy("balancer")
def stopped(settings: HaproxySettings, place: Place) -> None:
    """Returns when balancers have noticed that these applications have stopped."""
    _wait(settings, place, "applications of idle hosts have stopped", "stopped")


def _wait(settings: HaproxySettings, place: Place, name: str, function: str) -> None:
    request = builders.request(settings, place) if place.balanced else {}
    wait(name=name, request=request, function=function)


@operation()
def wait(request: Mapping[str, Any], function: str) -> Generator[FunctionCommand, None, None]:
    """Waits on balancers, and does nothing on other hosts.

    + request: as the functions in `roles/haproxy/on_host.py` take it; empty: this is no balancer
    + function: the one that waits
    """
    if not request.get("idle") or not host.state.is_executing:
        host.noop("no application is idle behind this host")
        return
    payload = {"module": ON_HOST, "function": function, "request": dict(request)}
    command = remote.command("call", payload=payload, modules=(ON_HOST,))
    options = {**connector_arguments(host), **command.connector_arguments}
    good, output = host.run_shell_command(command, **options)
    why: str | None = json.loads(output.stdout.splitlines()[-1]) if good else output.stderr.strip()
    if why:
        yield refuse(why)
