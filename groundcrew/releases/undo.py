"""Leads a host back to the release before, from wherever the run has got to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyinfra.api import Host, StringCommand
from pyinfra.api.arguments import CONNECTOR_ARGUMENT_KEYS

from groundcrew import remote
from groundcrew.facts.apps import Apps
from groundcrew.releases import apart, commands, lock
from groundcrew.releases.target import Target, followers


def connector_arguments(host: Host) -> dict[str, Any]:
    """How commands are run in the operation that is running (sudo and the like)."""
    arguments: dict[str, Any] = dict(host.current_op_global_arguments or {})
    return {
        key: value
        for key, value in arguments.items()
        if key in CONNECTOR_ARGUMENT_KEYS and key != "_stdin"
    }


def going_back(host: Host, target: Target, release: str, previous: str) -> Callable[[], bool]:
    """A function that does it later, from any other host's turn; it returns whether it worked."""
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
            steps = [shell(commands.hold(target, previous, release))]
        else:
            steps = [shell(commands.start(target, previous))]
        probe = commands.socket_probe(target, previous, None, held)
        steps.append(remote.command("probe", payload={**probe, "on_failure": None}))
        for program, payload in commands.publications(target, previous, release):
            steps.append(remote.command(program, payload=payload))
        steps.append(shell(commands.switch(target, previous)))
        if not all(run(step) for step in steps):
            return False
        name = target.paths.name
        state = host.get_fact(Apps, apps=(name,), **arguments)[name]
        old = [
            name
            for name in followers(state, target.paths, previous)
            if target.paths.part(name) not in target.elsewhere
        ]
        new = followers(state, target.paths, release)
        entry = commands.log_entry(target, "rollback", previous, "live: another host failed")
        finish = [
            commands.follow(
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
