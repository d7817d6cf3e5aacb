"""Which commands bring the base of a host to its settings, apart from files: pure."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field

from groundcrew.facts.base import BaseState
from groundcrew.facts.systemd import timestamp
from groundcrew.services import Service
from groundcrew.units import Wanted, plan
from roles.base import hardening_files as hardening
from roles.base.files import JOURNALD, TIMESYNCD
from roles.base.hardening_plan import hardening_plan
from roles.base.settings import BaseSettings

JOURNAL_UNIT = "systemd-journald.service"
TIMESYNC_UNIT = "systemd-timesyncd.service"
UPGRADE_UNITS = ("apt-daily.timer", "apt-daily-upgrade.timer")
UNITS = (JOURNAL_UNIT, TIMESYNC_UNIT, *UPGRADE_UNITS, hardening.TMP_MOUNT)
MARK = "# groundcrew"
FSTAB_LINE = f"/swapfile none swap sw 0 0 {MARK}"


@dataclass
class Plan:
    """Shell commands to run, and what cannot be done on this host, with the reason."""

    commands: list[str] = field(default_factory=list)
    not_applicable: list[str] = field(default_factory=list)


def base_plan(settings: BaseSettings, state: BaseState, services: Sequence[Service] = ()) -> Plan:
    """Everything that is to be done on the host, for `services` of other roles too."""
    found = Plan()
    if state["certificates_are_stale"]:
        found.commands.append("update-ca-certificates --fresh")
    _hostname(settings, state, found)
    _hosts(settings, state, found)
    if settings.locale != "C.UTF-8" and _canonical(settings.locale) not in map(
        _canonical, state["locales"]
    ):
        found.commands.append("locale-gen")
    _sysctl(settings, state, found)
    _swap(settings, state, found)
    _units(settings, state, found)
    commands, reasons = hardening_plan(settings, state)
    found.commands += commands
    found.not_applicable += reasons
    for service in services:
        _unit(state, service.unit, service.files, found)
    return found


def _hostname(settings: BaseSettings, state: BaseState, found: Plan) -> None:
    name = settings.hostname
    if name is None or name == state["hostname"]:
        return
    if state["container"]:
        found.not_applicable.append("host name: a container's is set by its engine")
        return
    found.commands += [
        f"hostnamectl set-hostname {name}",
        # sudo and others look their own host up, and wait where the name is unknown.
        f"grep -qw {name} /etc/hosts || echo '127.0.1.1 {name}' >> /etc/hosts",
    ]


def _hosts(settings: BaseSettings, state: BaseState, found: Plan) -> None:
    lines = [
        f"{address} {name} {MARK}" for name, address in sorted(settings.hosts.items()) if address
    ]
    if lines == state["hosts"]:
        return
    # Written into, not replaced: a container's is mounted.
    found.commands += [
        "hosts=$(mktemp)",
        f"grep -v '{MARK}$' /etc/hosts > \"$hosts\" || true",
        *(f"echo '{line}' >> \"$hosts\"" for line in lines),
        'cat "$hosts" > /etc/hosts && rm "$hosts"',
    ]


def _canonical(locale: str) -> str:
    return locale.lower().replace("-", "")


def _sysctl(settings: BaseSettings, state: BaseState, found: Plan) -> None:
    absent, read_only = [], []
    for key, wanted in sorted(settings.sysctl.items()):
        if wanted is None:
            continue
        current = state["sysctl"].get(key)
        value = " ".join(str(wanted).split())
        if current is None:
            absent.append(key)
        elif current["value"] != value:
            if current["writable"]:
                path = f"/proc/sys/{key.replace('.', '/')}"
                found.commands.append(f"echo {shlex.quote(value)} > {path}")
            else:
                read_only.append(key)
    if absent:
        found.not_applicable.append(f"kernel has no {', '.join(absent)}")
    if read_only:
        found.not_applicable.append(f"read-only here: {', '.join(read_only)}")


def _swap(settings: BaseSettings, state: BaseState, found: Plan) -> None:
    wanted, current = settings.swap_mib, state["swap"]
    ours = current["mib"] == wanted and current["active"]
    if wanted == 0 or ours:
        return
    if state["container"]:
        found.not_applicable.append("swap file: a container shares its machine's swap")
        return
    found.commands += [
        "if grep -q '^/swapfile ' /proc/swaps; then swapoff /swapfile; fi",
        "rm -f /swapfile",
        "install -m 0600 /dev/null /swapfile",
        f"dd if=/dev/zero of=/swapfile bs=1M count={wanted} status=none",
        "mkswap --quiet /swapfile && swapon /swapfile",
        f"grep -qxF '{FSTAB_LINE}' /etc/fstab || echo '{FSTAB_LINE}' >> /etc/fstab",
    ]


def _units(settings: BaseSettings, state: BaseState, found: Plan) -> None:
    _unit(state, JOURNAL_UNIT, (JOURNALD,), found)
    if settings.time_sync and state["container"]:
        found.not_applicable.append("time synchronisation: a container has its machine's clock")
    elif settings.time_sync:
        _unit(state, TIMESYNC_UNIT, (TIMESYNCD,), found)
    if settings.unattended_upgrades:
        for name in UPGRADE_UNITS:
            _unit(state, name, (), found)
    for name in hardening.units(settings):
        _unit(state, name, (), found)


def _unit(state: BaseState, name: str, configuration: Sequence[str], found: Plan) -> None:
    unit = state["units"][name]
    since = timestamp(unit["ActiveEnterTimestamp"])
    newer = any(state["modified"].get(path, 0.0) > since for path in configuration)
    wanted = Wanted(running=True, enabled=True, restart=newer, reload=False, daemon_reload=True)
    for verb in plan(unit, wanted):
        target = "" if verb == "daemon-reload" else f" {name}"
        found.commands.append(f"systemctl --quiet {verb}{target}")
