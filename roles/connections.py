"""How many connections the applications of other hosts may have open, where that follows from those
hosts' processors and memory."""

from __future__ import annotations

from dataclasses import replace

from pyinfra import inventory, state
from pyinfra.api import StringCommand

from groundcrew.bindings import Binding, Client
from groundcrew.bindings.budget import User
from groundcrew.facts.machine import COMMAND, Machine, machine
from groundcrew.roles.settings import HostSettings
from groundcrew.settings import settings_for

KEY = "groundcrew_machine"


def limited(settings: HostSettings) -> HostSettings:
    """The settings, with the connections of each application that this host provides something to.
    Those of hosts that are not part of the run stay unknown, and as they are."""
    place = settings.place
    provides = tuple(
        item if item.connections is not None or not settings.provider(item.role).limits_logins
        else replace(item, clients=tuple(_asked(item, client) for client in item.clients))
        for item in place.provides
    )  # fmt: skip
    return settings.placed(replace(place, provides=provides))


def _asked(binding: Binding, client: Client) -> Client:
    size = _machine(client.host) if client.connections is None else None
    if size is None:
        return client
    app = settings_for(inventory.get_host(client.host)).settings.app[binding.app]
    user = User(client.host, binding.app, app, app.needs[binding.need], binding.need)
    return replace(client, connections=user.connections(*size))


def _machine(name: str) -> Machine | None:
    """A host's processors and memory; None if it is not part of the run."""
    other = inventory.get_host(name)
    if not state.is_host_in_limit(other) or not other.connected:
        return None
    if KEY not in other.connector_data:
        good, output = other.run_shell_command(StringCommand(COMMAND))
        if not good:
            return None
        other.connector_data[KEY] = machine(output.stdout_lines)
    size: Machine = other.connector_data[KEY]
    return size
