"""Manages systemd units: enabled, running, and still running a moment later."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence

from pyinfra import host
from pyinfra.api import StringCommand, operation

from groundcrew import record
from groundcrew.facts.systemd import Units, timestamp
from groundcrew.read_first import reading_first
from groundcrew.units import Wanted, plan, script

Condition = bool | Callable[[], bool]


@operation()
@reading_first
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

    The operation fails if the unit fails or is restarted by systemd within `settle` seconds after
    it was started; the unit's last journal lines are printed. An alias is resolved to its unit.

    + unit: name of the unit, `.service` may be left out
    + running: True to run it, False to stop it, None to leave it
    + enabled: likewise for starting it at boot; static units need nothing
    + restarted: restart it if it runs; a bool, or a function called when the operation runs
    + reloaded: likewise, reload it
    + daemon_reload: reload systemd first if the unit's files changed on disk
    + restart_if_newer: files of the unit's configuration; restart it if one changed since it was
      started. Unlike a flag, this also works if an earlier run was interrupted before the restart
    + reload_if_newer: likewise, reload it if one changed since it was last started or reloaded
    + settle: seconds
    """
    name = unit if "." in unit else f"{unit}.service"
    report = host.get_fact(Units, units=[name], files=[*restart_if_newer, *reload_if_newer])
    state = report["units"].get(name)
    if state is None:
        return
    modified = report["modified"]

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
        record.change(host, [f"{name}: {', '.join(verbs)}"])
        yield StringCommand(script(state["Id"], verbs, settle))
    else:
        host.noop(f"{name} is as it should be")


def _holds(condition: Condition) -> bool:
    """The condition's current value; False for a function while pyinfra detects changes."""
    if not callable(condition):
        return condition
    return host.state.is_executing and condition()
