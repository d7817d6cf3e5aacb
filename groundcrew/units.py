"""Selects the systemctl verbs that bring a unit to its wanted state: the pure part of the
operation."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

ENABLED = {"enabled", "enabled-runtime", "alias"}
CANNOT_BE_ENABLED = {"static", "indirect", "generated", "transient"}


@dataclass(frozen=True)
class Wanted:
    """The wanted state of a unit; None leaves that aspect unchanged."""

    running: bool | None
    enabled: bool | None
    restart: bool
    reload: bool
    daemon_reload: bool


def plan(state: Mapping[str, str], wanted: Wanted) -> list[str]:
    """The verbs, in order; empty if the unit is as wanted.

    systemd is reloaded before it starts or restarts anything: NeedDaemonReload does not report a
    drop-in whose directory is new (systemd 252).
    """
    verbs = _enablement(state["UnitFileState"], wanted.enabled)
    activity = _activity(state, wanted)
    # What is not there need not be stopped, and no reload would change that.
    absent = state["LoadState"] == "not-found" and wanted.running is not False
    stale = absent or state["NeedDaemonReload"] == "yes"
    if wanted.daemon_reload and (stale or activity not in ([], ["stop"])):
        verbs.insert(0, "daemon-reload")
    return verbs + activity


def _enablement(unit_file_state: str, enabled: bool | None) -> list[str]:
    if enabled is True and unit_file_state not in ENABLED | CANNOT_BE_ENABLED:
        return ["enable"]
    if enabled is False and unit_file_state in ENABLED:
        return ["disable"]
    return []


def _activity(state: Mapping[str, str], wanted: Wanted) -> list[str]:
    active, sub = state["ActiveState"], state["SubState"]
    if wanted.running is False:
        return [] if active in ("inactive", "failed") else ["stop"]
    crashing = active == "failed" or sub.startswith("auto-restart")
    down = crashing or active in ("inactive", "deactivating")
    if wanted.running is None:
        if down:
            return []
    elif crashing:
        return ["reset-failed", "restart"]
    elif down:
        return ["start"]
    if wanted.restart:
        return ["restart"]
    if wanted.reload:
        return ["reload-or-restart"]
    return []


def script(unit: str, verbs: list[str], settle: float) -> str:
    """A shell script that runs the verbs. It fails, with the journal, if the unit does not stay up.

    `settle` is the time in seconds for which a started unit is watched for a crash or a restart.
    """
    name = shlex.quote(unit)
    lines = [
        f"show_journal() {{ journalctl --no-pager --no-hostname -n 30 -u {name} >&2; exit 1; }}"
    ]
    for verb in verbs:
        target = "" if verb == "daemon-reload" else f" {name}"
        lines.append(f"systemctl {verb}{target} || show_journal")
    if verbs[-1] in ("start", "restart", "reload-or-restart"):
        lines += [
            f"for _ in $(seq {round(settle / 0.2)}); do",
            f"  state=$(systemctl show --property=SubState --value {name})",
            '  case "$state" in failed|auto-restart*)',
            f'    echo {name} does not stay up: "$state" >&2; show_journal ;;',
            "  esac",
            "  sleep 0.2",
            "done",
        ]
    return "\n".join(lines)
