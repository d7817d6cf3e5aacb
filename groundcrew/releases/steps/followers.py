"""Shell commands for the workers and timers that follow a release."""

from __future__ import annotations

from collections.abc import Sequence

from groundcrew.releases.steps.units import SYSTEM


def swap_followers(
    start_units: Sequence[str], stop_units: Sequence[str], single: Sequence[str] = ()
) -> str:
    """Shell command that starts the release's workers and timers and stops the old ones. Whether
    the workers stay up is checked while the old release drains (see `retire_payload`).

    It does not wait for old workers, since a job may take as long as its worker's stop_timeout. It
    does wait for `single` ones, which must never run twice.
    """
    steps = ["set -e", "systemctl daemon-reload"]
    if stop_units:
        names = " ".join(stop_units)
        steps += [f"systemctl disable --quiet {names}", f"systemctl stop --no-block {names}"]
    waited = [name for name in stop_units if name in single]
    if waited:
        steps.append(f"systemctl stop {' '.join(waited)}")
    if start_units:
        names = " ".join(start_units)
        steps += [f"systemctl enable --quiet {names}", f"systemctl restart {names}"]
    return "\n".join(steps)


def remove_followers(units: Sequence[str], patience: int) -> str:
    """Shell command that stops and removes workers and timers that another host runs from now on.
    A timer's command that runs may finish, for `patience` seconds at most. Fails if one still
    runs."""
    names = " ".join(units)
    files = " ".join(f"{SYSTEM}/{name}" for name in units)
    jobs = [name for name in units if _is_job(name)]
    others = " ".join(name for name in units if name not in jobs)
    lines = [f"systemctl disable --quiet {names} 2>/dev/null"]
    if others:
        lines.append(f"systemctl stop {others}")
    if jobs:
        running = f"systemctl show --property=ActiveState {' '.join(jobs)} | grep -q =activating"
        lines += [
            f"for i in $(seq {2 * patience}); do {running} || break; sleep 0.5; done",
            f"systemctl stop {' '.join(jobs)}",
        ]
    lines += [
        f"if systemctl show --property=ActiveState {names} | "
        "grep -Eq '=(active|activating|reloading|deactivating)'; then "
        f"echo 'still running: {names}' >&2; exit 1; fi",
        f"rm -f {files} && systemctl daemon-reload",
        f"systemctl reset-failed {names} 2>/dev/null",
        "true",
    ]
    return "\n".join(lines)


def _is_job(unit: str) -> bool:
    """Whether the unit is what a timer starts. Those of workers have the number of an instance."""
    instance = unit.partition("@")[2]
    return instance.endswith(".service") and "." not in instance.removesuffix(".service")
