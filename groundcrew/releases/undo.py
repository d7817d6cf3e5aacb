"""Returns a host to the previous release, from any point of the run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyinfra.api import Host, StringCommand
from pyinfra.api.arguments import CONNECTOR_ARGUMENT_KEYS

from groundcrew import remote
from groundcrew.facts.apps import Apps
from groundcrew.releases import apart, lock
from groundcrew.releases.steps.followers import swap_followers
from groundcrew.releases.steps.live import open_socket, switch_to
from groundcrew.releases.steps.logged import log_entry
from groundcrew.releases.steps.probes import socket_probe
from groundcrew.releases.steps.published import publications
from groundcrew.releases.steps.units import start_units
from groundcrew.releases.target import Target, followers


def connector_arguments(host: Host) -> dict[str, Any]:
    """The connector arguments (sudo and the like) of the current operation."""
    arguments: dict[str, Any] = dict(host.current_op_global_arguments or {})
    return {
        key: value
        for key, value in arguments.items()
        if key in CONNECTOR_ARGUMENT_KEYS and key != "_stdin"
    }


def going_back(host: Host, target: Target, release: str, previous: str) -> Callable[[], bool]:
    """A function that returns the host to `previous`. It may be called later, while another host's
    operation runs, and returns whether it worked."""
    arguments = connector_arguments(host)

    def run(command: StringCommand) -> bool:
        options = {**arguments, **command.connector_arguments}
        good, output = host.run_shell_command(command, **options)
        if not good:
            host.log(output.output)
        return bool(good)

    def shell(text: str) -> StringCommand:
        return StringCommand(lock.guarded(host, target.paths, text))

    def go_back() -> bool:
        apart.fail(host, target.paths.name, "another host failed")
        held = lock.run_of(host, target.paths)
        if target.holds(previous):
            steps = [shell(open_socket(target, previous, release))]
        else:
            steps = [shell(start_units(target, previous))]
        probe = socket_probe(target, previous, None, held)
        steps.append(remote.command("probe", payload={**probe, "on_failure": None}))
        for program, payload in publications(target, previous, release):
            steps.append(remote.command(program, payload=payload))
        steps.append(shell(switch_to(target, previous)))
        if not all(run(step) for step in steps):
            return False
        name = target.paths.name
        state = host.get_fact(Apps, apps=(name,), **arguments)[name]
        old = [
            name
            for name in followers(state, target.paths, previous)
            if target.paths.part(name) not in target.on_other_hosts
        ]
        new = followers(state, target.paths, release)
        entry = log_entry(target, "rollback", previous, "live: another host failed")
        finish = [
            swap_followers(
                old,
                new,
                [name for name in new if target.paths.part(name) in target.app.single_parts],
            ),
            f"rm -f {target.paths.fallback}",
            f"systemctl stop {' '.join(target.units(release))}",
            entry,
        ]
        changes = {"failed": release, "live": previous}
        note = remote.command(
            "note_history", payload={"name": target.paths.name, "changes": changes, "run": held}
        )
        return all(run(step) for step in [*map(shell, finish), note])

    return go_back
