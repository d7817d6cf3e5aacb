"""Commands that bring the base of a host to its settings, besides files. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field

from groundcrew.facts.base import BaseState
from groundcrew.facts.systemd import timestamp
from groundcrew.roles.base import hardening_files as hardening
from groundcrew.roles.base.files import JOURNALD, RESOLVED, TIMESYNCD
from groundcrew.roles.base.hardening_plan import hardening_plan
from groundcrew.roles.base.settings import BaseSettings
from groundcrew.services import Service
from groundcrew.units import Wanted, plan

JOURNAL_UNIT = "systemd-journald.service"
TIMESYNC_UNIT = "systemd-timesyncd.service"
UPGRADE_UNITS = ("apt-daily.timer", "apt-daily-upgrade.timer")
RESOLVED_UNIT = "systemd-resolved.service"
UNITS = (JOURNAL_UNIT, TIMESYNC_UNIT, RESOLVED_UNIT, *UPGRADE_UNITS, hardening.TMP_MOUNT)
MARK = "# groundcrew"
FSTAB_LINE = f"/swapfile none swap sw 0 0 {MARK}"


@dataclass
class Plan:
    """Shell commands to run, and the settings that this host cannot apply, with the reason."""

    commands: list[str] = field(default_factory=list)
    not_applicable: list[str] = field(default_factory=list)


def base_plan(settings: BaseSettings, state: BaseState, services: Sequence[Service] = ()) -> Plan:
    """Everything to do on the host, including `services` of other roles."""
    host_plan = Plan()
    if state["certificates_are_stale"]:
        host_plan.commands.append("update-ca-certificates --fresh")
    _hostname(settings, state, host_plan)
    _hosts(settings, state, host_plan)
    if settings.locale != "C.UTF-8" and _canonical(settings.locale) not in map(
        _canonical, state["locales"]
    ):
        host_plan.commands.append("locale-gen")
    _sysctl(settings, state, host_plan)
    _swap(settings, state, host_plan)
    _units(settings, state, host_plan)
    commands, reasons = hardening_plan(settings, state)
    host_plan.commands += commands
    host_plan.not_applicable += reasons
    for service in services:
        _unit(state, service.unit, service.files, host_plan)
    return host_plan


def _hostname(settings: BaseSettings, state: BaseState, host_plan: Plan) -> None:
    name = settings.hostname
    if name is None or name == state["hostname"]:
        return
    if state["container"]:
        host_plan.not_applicable.append("host name: a container's is set by its engine")
        return
    host_plan.commands += [
        f"hostnamectl set-hostname {name}",
        # sudo and other programs look up the host's own name, and hang if it does not resolve.
        f"grep -qw {name} /etc/hosts || echo '127.0.1.1 {name}' >> /etc/hosts",
    ]


def _hosts(settings: BaseSettings, state: BaseState, host_plan: Plan) -> None:
    lines = [
        f"{address} {name} {MARK}" for name, address in sorted(settings.hosts.items()) if address
    ]
    for path, current in state["hosts"].items():
        if lines == current:
            continue
        # Written in place: in a container the file is a mount and cannot be replaced.
        host_plan.commands += [
            "hosts=$(mktemp)",
            f"grep -v '{MARK}$' {path} > \"$hosts\" || true",
            *(f"echo '{line}' >> \"$hosts\"" for line in lines),
            f'cat "$hosts" > {path} && rm "$hosts"',
        ]


def _canonical(locale: str) -> str:
    return locale.lower().replace("-", "")


def _sysctl(settings: BaseSettings, state: BaseState, host_plan: Plan) -> None:
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
                host_plan.commands.append(f"echo {shlex.quote(value)} > {path}")
            else:
                read_only.append(key)
    if absent:
        host_plan.not_applicable.append(f"kernel has no {', '.join(absent)}")
    if read_only:
        host_plan.not_applicable.append(f"read-only here: {', '.join(read_only)}")


def _swap(settings: BaseSettings, state: BaseState, host_plan: Plan) -> None:
    wanted, current = settings.swap_mib, state["swap"]
    ours = current["mib"] == wanted and current["active"]
    if wanted == 0 or ours:
        return
    if state["container"]:
        host_plan.not_applicable.append("swap file: a container shares its machine's swap")
        return
    host_plan.commands += [
        "if grep -q '^/swapfile ' /proc/swaps; then swapoff /swapfile; fi",
        "rm -f /swapfile",
        "install -m 0600 /dev/null /swapfile",
        f"dd if=/dev/zero of=/swapfile bs=1M count={wanted} status=none",
        "mkswap --quiet /swapfile && swapon /swapfile",
        f"grep -qxF '{FSTAB_LINE}' /etc/fstab || echo '{FSTAB_LINE}' >> /etc/fstab",
    ]


def _units(settings: BaseSettings, state: BaseState, host_plan: Plan) -> None:
    _unit(state, JOURNAL_UNIT, (JOURNALD,), host_plan)
    if settings.time_sync and state["container"]:
        host_plan.not_applicable.append("time synchronisation: a container has its machine's clock")
    elif settings.time_sync:
        _unit(state, TIMESYNC_UNIT, (TIMESYNCD,), host_plan)
    if settings.unattended_upgrades:
        for name in UPGRADE_UNITS:
            _unit(state, name, (), host_plan)
    _resolved(state, host_plan)
    for name in hardening.units(settings):
        _unit(state, name, (), host_plan)


def _resolved(state: BaseState, host_plan: Plan) -> None:
    """Restarts systemd-resolved if it runs; not every image has it."""
    if state["units"][RESOLVED_UNIT]["ActiveState"] == "active":
        _unit(state, RESOLVED_UNIT, (RESOLVED,), host_plan)


def _unit(state: BaseState, name: str, configuration: Sequence[str], host_plan: Plan) -> None:
    unit = state["units"][name]
    since = timestamp(unit["ActiveEnterTimestamp"])
    newer = any(state["modified"].get(path, 0.0) > since for path in configuration)
    wanted = Wanted(running=True, enabled=True, restart=newer, reload=False, daemon_reload=True)
    for verb in plan(unit, wanted):
        target = "" if verb == "daemon-reload" else f" {name}"
        host_plan.commands.append(f"systemctl --quiet {verb}{target}")
