"""Asks an application's live release for its health path, again and again, and restarts what does
not answer.

Runs on the host as root, as `python3 -IS /usr/local/lib/groundcrew/watch_health.py NAME`, in
`groundcrew-health-NAME.service`. How often it does follows from the application's file, see
`groundcrew/releases/steps/renewal.py`. Ends when the unit is gone. Standard library only,
Python 3.9 or later.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any, Optional

from groundcrew.remote.app_files import SYSTEM, UPSTREAMS, live_release, show_units
from groundcrew.remote.printable import printable
from groundcrew.remote.private_file import write_private
from groundcrew.remote.probe import ask
from groundcrew.remote.renewal_app import LockedError, NoRoomError, locked, one, unfinished
from groundcrew.remote.renewal_state import RenewalError, read_app
from groundcrew.remote.retire_releases import systemctl
from groundcrew.remote.run_lock import Run, RunIsGoneError, step

Data = dict[str, Any]
STATES = "/run/groundcrew/health"
HOUR = 3600.0
LOOK = 5.0
"""Seconds after which it looks again whether it is asked for something: a release says so when it
is live."""


def main() -> int:
    """Watches the application named in the arguments, as long as its unit exists."""
    name = sys.argv[1]
    states = read_state(name)
    while (SYSTEM / f"groundcrew-health-{name}.service").exists():
        app = known(name)
        if not app["poll"]:
            time.sleep(LOOK)
            continue
        began = time.monotonic()
        flag = Path(app["probe"]["maintenance"])
        if not (flag.exists() or flag.with_name("stopped").exists()):
            look(app, states)
        time.sleep(max(0.1, app["poll"]["interval"] - (time.monotonic() - began)))
    return 0


def known(name: str) -> Data:
    """What is known about the application; nothing is asked for before its first release."""
    try:
        return read_app(name)
    except FileNotFoundError:
        return {"poll": None}


def read_state(name: str) -> Data:
    """What was seen before: {UNIT: {"failures": in a row, "why": text or null, "restarts": [Unix
    time]}}."""
    try:
        with open(f"{STATES}/{name}.json", encoding="utf-8") as file:
            states: Data = json.load(file)
    except (OSError, ValueError):
        return {}
    return states


def look(app: Data, states: Data) -> None:
    """Asks each unit once, and restarts those that have failed too often."""
    before = json.dumps(states)
    sockets = units(app)
    for unit in set(states) - set(sockets):
        del states[unit]
    for unit, socket in sockets.items():
        state = states.setdefault(unit, {"failures": 0, "why": None, "restarts": []})
        state["restarts"] = [at for at in state["restarts"] if at > time.time() - HOUR]
        if not has_started(app, unit):
            # systemd restarts what has died.
            state["failures"] = 0
            continue
        why = failure(app, socket)
        state["why"] = why
        state["failures"] = state["failures"] + 1 if why else 0
        if state["failures"] >= app["poll"]["retries"]:
            decide(app, unit, state)
        elif why is None and unfinished(app) == unit:
            take_over(app, unit)
    if json.dumps(states) != before:
        write_private(f"{STATES}/{app['name']}.json", json.dumps(states))


def units(app: Data) -> dict[str, str]:
    """The units that serve the live release, each with its socket."""
    name = app["name"]
    live, held = live_release(name)
    if live is None:
        return {}
    links = {}
    for path in sorted(SYSTEM.glob(f"{name}@{live}*.service")):
        instance = path.name[len(name) + 1 : -len(".service")]
        own = f"{app['runtime']}/{instance}.sock"
        links[path.name] = f"{UPSTREAMS}/{name}/held.sock" if held else own
    return links


def has_started(app: Data, unit: str) -> bool:
    """Whether a unit has been active for longer than it may take to start."""
    names = ("ActiveState", "ActiveEnterTimestampMonotonic")
    state = next(iter(show_units([unit], names)), {})
    since = int(state.get("ActiveEnterTimestampMonotonic") or 0) / 1e6
    active = state.get("ActiveState") == "active"
    return active and time.monotonic() - since > app["poll"]["start_period"]


def failure(app: Data, socket: str) -> Optional[str]:  # noqa: UP045 - Python 3.9
    """Why a unit is not healthy; None if it is."""
    probe = {**app["probe"], "request_timeout": app["poll"]["timeout"], "release": release_of(app)}
    answer, text = ask(probe, socket)
    healthy = answer is not None and answer.status == probe["status"]
    return None if healthy else f"{probe['path']} gives {text}"


def release_of(app: Data) -> str:
    """The directory of the live release, which says what protocol it speaks."""
    return f"/srv/{app['name']}/releases/{live_release(app['name'])[0]}"


def decide(app: Data, unit: str, state: Data) -> None:
    """Restarts a unit, unless a run is at work or that has been done often enough."""
    if len(state["restarts"]) >= app["poll"]["restarts"]:
        if state["failures"] == app["poll"]["retries"]:
            tell(f"{unit}: {state['why']}; it is not restarted again within this hour")
        return
    try:
        with locked(app["name"], "the host itself (health)") as run, step(run):
            tell(f"{unit}: {state['why']}, {state['failures']} times: it is restarted")
            state["restarts"].append(time.time())
            restart(app, unit, run)
    except (LockedError, RunIsGoneError, OSError):
        # Whoever releases it judges its health.
        pass
    state["failures"] = 0


def take_over(app: Data, unit: str) -> None:
    """Lets a unit that is healthy again serve in place of its stand-in."""
    try:
        with locked(app["name"], "the host itself (health)") as run, step(run):
            one(app, unit, run, restart=False)
            tell(f"{unit}: it is healthy again, and serves in place of its stand-in")
    except (LockedError, RunIsGoneError, OSError):
        # The next time.
        pass
    except RenewalError as error:
        tell(f"{unit}: {error}")


def restart(app: Data, unit: str, run: Run) -> None:
    """A new process takes over before the unit is restarted: what hangs may take long to end. If a
    new one is not healthy either, the unit is left as it is; it may answer other requests."""
    try:
        one(app, unit, run)
    except NoRoomError:
        systemctl("restart", unit, check=False)
    except RenewalError as error:
        tell(f"{unit}: {error}")


def tell(line: str) -> None:
    """Writes to the journal."""
    print(printable(line), flush=True)


if __name__ == "__main__":
    sys.exit(main())
