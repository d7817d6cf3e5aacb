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


def remove_followers(units: Sequence[str]) -> str:
    """Shell command that stops and removes workers and timers that another host runs from now
    on."""
    names = " ".join(units)
    files = " ".join(f"{SYSTEM}/{name}" for name in units)
    return (
        f"systemctl disable --quiet {names} 2>/dev/null; systemctl stop {names}; "
        f"rm -f {files} && systemctl daemon-reload; systemctl reset-failed {names} 2>/dev/null; "
        "true"
    )
