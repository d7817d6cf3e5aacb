"""Reports which parts of releases a host has, and for which kind of system it builds.

Runs on the host as root, as `python3 -c SCRIPT` with a JSON payload on stdin: [{"name", "keys",
"uv", "python", "variables": as in groundcrew/remote/build_release.py, "fetch": whether an
interpreter may be downloaded, "check": whether a damaged part counts as missing, which takes time,
"run": as in groundcrew/remote/run_lock.py}]. Prints one line of JSON: {NAME: {"system": text, null
without a suitable interpreter, "missing": [part], "there": [part]}}; a part is "environments/KEY"
or "code/KEY". What is built on one host works on another one with the same `system`. Standard
library only, Python 3.9 or later.
"""

from __future__ import annotations

import json
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from groundcrew.remote.build_variables import capture, variables
from groundcrew.remote.interpreter import InterpreterError, find_interpreter
from groundcrew.remote.parts import DamagedError, check, part_names
from groundcrew.remote.run_lock import RunIsGoneError, step

if TYPE_CHECKING:
    # Types of the reports, shared with the facts; never sent to a host.
    from groundcrew.facts.parts import PartsState

SRV = Path("/srv")
OS_RELEASE = Path("/etc/os-release")


def system(interpreter: str, version: str) -> str:
    """The kind of system: distribution and its release, processor, interpreter. Compiled code and
    the links of a virtualenv depend on them."""
    lines = OS_RELEASE.read_text(encoding="utf-8").splitlines()
    about = dict(line.split("=", 1) for line in lines if "=" in line)
    release = [about.get(key, "").strip('"') for key in ("ID", "VERSION_ID", "VERSION_CODENAME")]
    return " ".join([*release, platform.machine(), f"Python {version}", interpreter])


def usable(part: Path, thorough: bool) -> bool:
    """Whether a part exists and, if `thorough`, is intact."""
    if not thorough:
        return part.is_dir()
    try:
        return check(part)
    except DamagedError:
        return False


def report(asked: dict[str, Any]) -> PartsState:
    """The state of one application's parts."""
    root = SRV / asked["name"]
    own = variables(root / "cache", asked["variables"])
    try:
        interpreter, version = find_interpreter(
            asked["python"], asked["uv"], own, capture, fetch=asked["fetch"]
        )
    except InterpreterError:
        # The build itself reports it.
        return {"system": None, "missing": [], "there": []}
    names = part_names(asked["keys"], str(version))
    have = {name: usable(root / name, asked["check"]) for name in names.every}
    missing = [name for name in names.every if not have[name]]
    if have[names.environment] and names.base in missing:
        # As in builds: an environment with the source in it stands for the one below it.
        missing.remove(names.base)
    return {
        "system": system(interpreter, str(version)),
        "missing": missing,
        "there": [name for name in names.every if have[name]],
    }


def main() -> int:
    """Prints the states of what the payload on stdin asks for."""
    states: dict[str, PartsState] = {}
    for asked in json.load(sys.stdin):
        try:
            with step(asked["run"]):
                states[asked["name"]] = report(asked)
        except RunIsGoneError as error:
            print(f"{asked['name']}: {error}", file=sys.stderr)
            return 1
    print(json.dumps(states))
    return 0


if __name__ == "__main__":
    sys.exit(main())
