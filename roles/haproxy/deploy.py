"""Operations of the balancer."""

from __future__ import annotations

import json
import shlex
from collections.abc import Collection, Sequence

from pyinfra.api import deploy

from groundcrew import remote
from groundcrew.bindings import Place
from groundcrew.bindings import operations as servers
from groundcrew.contract import ServerState
from groundcrew.entries import Entry
from groundcrew.operations import files, systemd
from groundcrew.roles.haproxy import builders, shared
from groundcrew.roles.haproxy.brings import ON_HOST
from groundcrew.roles.haproxy.settings import HaproxySettings


@deploy("balancer")
def apply(
    settings: HaproxySettings,
    place: Place,
    sites: Collection[str],
    profile: str,
    certificates: Sequence[Entry] = (),
) -> None:
    """The balancer passes requests to the hosts of all applications of `place.balanced`.

    `sites` are the names of those with HTTPS, and `certificates` the files of their certificates.
    The step that writes a new configuration also checks and loads it, and restores the old files if
    either fails.
    """
    request = builders.request(settings, place)
    files.manage(name="service sandbox", entries=builders.drop_in(settings))
    files.manage(
        name="configuration",
        entries=[*certificates, *builders.entries(settings, place, sites, profile)],
        validate=activate_command(request),
    )
    systemd.service(
        name="service", unit=builders.UNIT, restart_if_newer=[builders.DROP_IN_FILE], settle=0.5
    )
    if settings.address:
        _shared(settings, place)
    states = [ServerState("balancer", ON_HOST, request)]
    if not settings.address:
        left = shared.request(settings, place)
        states.append(ServerState("shared address", shared.ON_HOST, left))
    servers.contents(name="no host is left out", states=states, given=[])


def _shared(settings: HaproxySettings, place: Place) -> None:
    """The address that the balancers share, once HAProxy serves."""
    files.manage(name="shared address: service", entries=shared.unit_files(settings))
    files.manage(
        name="shared address: configuration",
        entries=shared.configuration_files(settings, place),
        validate=shared.check_command(settings),
    )
    systemd.service(
        name="shared address",
        unit=shared.UNIT,
        restart_if_newer=[shared.DROP_IN_FILE],
        reload_if_newer=[shared.CONFIGURATION],
        settle=0.5,
    )


def activate_command(request: dict[str, object]) -> str:
    """A shell command that fails unless HAProxy has loaded the configuration on disk, if it
    runs."""
    wanted = json.dumps({"module": ON_HOST, "function": "activate", "request": request})
    program = shlex.quote(remote.script("call", ON_HOST))
    return f"printf %s {shlex.quote(wanted)} | python3 -ISc {program}"
