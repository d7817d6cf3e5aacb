"""systemd units: enabled, running, and still running a moment later."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence

from pyinfra import host
from pyinfra.api import StringCommand, operation

from groundcrew.facts.systemd import Units, timestamp
from groundcrew.units import Wanted, plan, script

Condition = bool | Callable[[], bool]


@operation()
def service(
    unit: str,
    *,
    running: bool | None = True,
    enabled: bool | None = True,
    restarted: Condition = False,
    reloaded: Condition = False,
    daemon_reload: bool = True,
    restart_if_newer: Sequence[str] = (),
    reload_if_newer: Sequence[str] = (),
    settle: float = 2.0,
) -> Generator[StringCommand, None, None]:
    """Brings a unit to its wanted state: one fact, and one command if anything differs.

    A unit that fails or is restarted by systemd within `settle` seconds after it was started fails
    the operation, which prints its last journal lines. An alias is resolved to its unit.

    + unit: name of the unit, `.service` may be left out
    + running: True to run it, False to stop it, None to leave it
    + enabled: likewise for starting it at boot; static units need nothing
    + restarted: restart it if it runs; a bool, or a function called when the operation runs
    + reloaded: likewise, reload it
    + daemon_reload: reload systemd first when the unit's files changed on disk
    + restart_if_newer: files of the unit's configuration; restart it if one changed since it was
      started. Unlike a flag this also holds when an earlier run was cut off before the restart
    + reload_if_newer: likewise, reload it if one changed since it was last started or reloaded
    + settle: seconds
    """
    name = unit if "." in unit else f"{unit}.service"
    found = host.get_fact(Units, units=[name], files=[*restart_if_newer, *reload_if_newer])
    state = found["units"].get(name)
    if state is None:
        return
    modified = found["modified"]

    def newer(files: Sequence[str], event: str) -> bool:
        since = timestamp(state[event])
        return any(modified.get(path, 0.0) > since for path in files)

    verbs = plan(
        state,
        Wanted(
            running=running,
            enabled=enabled,
            restart=_holds(restarted) or newer(restart_if_newer, "ActiveEnterTimestamp"),
            reload=_holds(reloaded) or newer(reload_if_newer, "StateChangeTimestamp"),
            daemon_reload=daemon_reload,
        ),
    )
    if verbs:
        yield StringCommand(script(state["Id"], verbs, settle))
    else:
        host.noop(f"{name} is as it should be")


def _holds(condition: Condition) -> bool:
    """The condition now; one that depends on an operation that has not run yet does not hold."""
    if not callable(condition):
        return condition
    return host.state.is_executing and condition()
