"""Shell commands that start the units that serve a release."""

from __future__ import annotations

from collections.abc import Sequence

from groundcrew.releases.target import Target

SYSTEM = "/etc/systemd/system"
WEIGHT = 100
"""systemd's default CPUWeight."""
WEIGHT_BESIDE = 10


def start_units(target: Target, release: str, *, beside: bool = False, anew: bool = False) -> str:
    """Shell command that starts the release's units without waiting; the probe decides whether they
    work.

    With `beside`, they run at a low CPU weight beside the serving release until the switch. With
    `anew`, units that run or are about to be restarted by systemd are stopped first.
    """
    names = " ".join(target.units(release))
    stop = f"systemctl stop {names}; " if anew else ""
    start = f"systemctl start --no-block {names}"
    gently = "".join(
        f"systemctl set-property --runtime {name} CPUWeight={WEIGHT_BESIDE}; "
        for name in (target.units(release) if beside else ())
    )
    return (
        f"{reload_changed(target.paths.name)} && {stop}systemctl reset-failed {names} 2>/dev/null; "
        f"{gently}{start} || {{ systemctl daemon-reload && {start}; }}"
    )


def reload_changed(name: str) -> str:
    """Shell command that reloads systemd if the file of a unit has changed that it has in memory.

    A reload reads all units and runs all generators: a tenth of a second of processor time. systemd
    finds the files of units that are new by itself.
    """
    units = f"'{name}@*' '{name}.*'"
    changed = f"systemctl show --property=NeedDaemonReload {units} | grep -q =yes"
    return f"if {changed}; then systemctl daemon-reload; fi"


def full_weight(units: Sequence[str]) -> str:
    """Shell command that gives units their configured CPU weight."""
    return " && ".join(
        f"weight=$(sed -n s/^CPUWeight=//p {SYSTEM}/{unit}) && "
        f'systemctl set-property --runtime {unit} "CPUWeight=${{weight:-{WEIGHT}}}"'
        for unit in units
    )
