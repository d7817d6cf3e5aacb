from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from groundcrew.entries import File, Purge
from groundcrew.facts.apt import SEPARATOR, Apt, AptState
from groundcrew.facts.base import BaseState
from groundcrew.operations.apt import install_script, missing
from groundcrew.roles.base.builders import UNITS, base_plan
from groundcrew.roles.base.files import JOURNALD, RESOLVED, entries, packages
from groundcrew.roles.base.settings import MODULES_OFF, BaseSettings
from groundcrew.services import Service

RUNNING = {
    "LoadState": "loaded",
    "ActiveState": "active",
    "SubState": "running",
    "UnitFileState": "enabled",
    "NeedDaemonReload": "no",
    "ActiveEnterTimestamp": "Tue 2023-11-14 22:13:20.000000 UTC",
}
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


def state(**changes: Any) -> BaseState:
    converged: dict[str, Any] = {
        "container": False,
        "hostname": "web1",
        "hosts": {"/etc/hosts": []},
        "locales": ["C", "C.utf8", "POSIX"],
        "sysctl": {"vm.swappiness": {"value": "10", "writable": True}},
        "units": dict.fromkeys(UNITS, RUNNING),
        "modified": {JOURNALD: 1600000000.0},
        "swap": {"mib": 0, "active": False},
        "certificates_are_stale": False,
        "login_defs": {},
        "dotfiles": [],
        "open_files": [],
        "apparmor": {"kernel": True, "enabled": True, "tools": True},
        "aide_is_ready": False,
        "auditd": False,
    }
    return {**converged, **changes}  # type: ignore[typeddict-item]


def settings(**changes: Any) -> BaseSettings:
    return BaseSettings.model_validate({"sysctl": {"vm.swappiness": 10}, **changes})


def commands(host: BaseState, **changes: Any) -> list[str]:
    return base_plan(settings(**changes), host).commands


def test_a_converged_host_needs_nothing() -> None:
    plan = base_plan(settings(), state())
    assert (plan.commands, plan.not_applicable) == ([], [])


def test_kernel_parameters_are_set_where_they_differ() -> None:
    assert commands(state(), sysctl={"vm.swappiness": 60}) == ["echo 60 > /proc/sys/vm/swappiness"]
    spaced = state(sysctl={"net.ipv4.tcp_rmem": {"value": "4096 131072 6291456", "writable": True}})
    assert commands(spaced, sysctl={"net.ipv4.tcp_rmem": "4096\t131072  6291456"}) == []


def test_what_cannot_be_set_is_reported_and_left() -> None:
    host = state(
        container=True,
        sysctl={"vm.swappiness": {"value": "60", "writable": False}, "net.missing": None},
    )
    plan = base_plan(settings(sysctl={"vm.swappiness": 10, "net.missing": 1}, swap_mib=512), host)
    assert plan.commands == []
    assert plan.not_applicable == [
        "kernel has no net.missing",
        "read-only here: vm.swappiness",
        "swap file: a container shares its machine's swap",
        "time synchronisation: a container has its machine's clock",
    ]


def test_names_in_etc_hosts_are_ours_alone(tmp_path: Path) -> None:
    file = tmp_path / "hosts"
    file.write_text("127.0.0.1 localhost\n10.0.0.9 old # groundcrew\n10.0.0.1 other # by hand\n")
    hosts = {"redis": "10.0.0.5", "db.internal": "fd00::1", "gone": None}
    shell = commands(state(hosts={"/etc/hosts": ["10.0.0.9 old # groundcrew"]}), hosts=hosts)
    script = "\n".join(["set -e", *shell]).replace("/etc/hosts", str(file))
    subprocess.run(["sh", "-c", script], check=True)
    ours = ["fd00::1 db.internal # groundcrew", "10.0.0.5 redis # groundcrew"]
    assert file.read_text().splitlines() == [
        "127.0.0.1 localhost",
        "10.0.0.1 other # by hand",
        *ours,
    ]
    assert commands(state(hosts={"/etc/hosts": ours}), hosts=hosts) == []
    shell = commands(state(hosts={"/etc/hosts": ours}))
    emptied = "\n".join(["set -e", *shell]).replace("/etc/hosts", str(file))
    subprocess.run(["sh", "-c", emptied], check=True)
    assert file.read_text() == "127.0.0.1 localhost\n10.0.0.1 other # by hand\n"


def test_what_cloud_init_makes_etc_hosts_of_has_the_names_too() -> None:
    template = "/etc/cloud/templates/hosts.debian.tmpl"
    ours = ["10.0.0.5 redis # groundcrew"]
    script = commands(state(hosts={"/etc/hosts": ours, template: []}), hosts={"redis": "10.0.0.5"})
    assert script[-1] == f'cat "$hosts" > {template} && rm "$hosts"'
    assert not [line for line in script if "/etc/hosts" in line]


def test_names_of_the_local_network_are_off_where_they_are_asked() -> None:
    newer = state(modified={RESOLVED: 1700000001.0})
    assert commands(newer)[-1] == "systemctl --quiet restart systemd-resolved.service"
    absent = {**RUNNING, "LoadState": "not-found", "ActiveState": "inactive"}
    units = {**dict.fromkeys(UNITS, RUNNING), "systemd-resolved.service": absent}
    assert commands(state(units=units, modified={RESOLVED: 1700000001.0})) == []


@pytest.mark.parametrize("hosts", [{"redis": "10.0.0"}, {"a b": "10.0.0.1"}, {"x'": "10.0.0.1"}])
def test_hosts_that_cannot_be(hosts: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        settings(hosts=hosts)


def test_units_are_restarted_for_newer_configuration_only() -> None:
    newer = state(modified={JOURNALD: 1700000001.0})
    assert commands(newer)[-1] == "systemctl --quiet restart systemd-journald.service"
    stopped = {**RUNNING, "ActiveState": "inactive", "SubState": "dead"}
    units = {**dict.fromkeys(UNITS, RUNNING), "systemd-timesyncd.service": stopped}
    assert "start systemd-timesyncd.service" in commands(state(units=units))[-1]
    assert commands(state(units=units), time_sync=False) == []


def test_names_certificates_and_locale() -> None:
    assert commands(state(certificates_are_stale=True)) == ["update-ca-certificates --fresh"]
    assert commands(state(), hostname="web1") == []
    assert commands(state(), hostname="web2")[0] == "hostnamectl set-hostname web2"
    assert commands(state(), locale="de_DE.UTF-8") == ["locale-gen"]
    generated = state(locales=["C.utf8", "de_DE.utf8"])
    assert commands(generated, locale="de_DE.UTF-8") == []


def test_the_swap_file_is_made_once() -> None:
    assert "count=512" in " ".join(commands(state(), swap_mib=512))
    assert commands(state(swap={"mib": 512, "active": True}), swap_mib=512) == []


def test_files_follow_the_settings(tmp_path: Path) -> None:
    (tmp_path / "proxy.pem").write_text(CERTIFICATE)
    all_entries = entries(settings(ca_certificates=[str(tmp_path / "proxy.pem")], journal_max="1G"))
    files = {entry.path: entry for entry in all_entries if isinstance(entry, File)}
    assert "/usr/local/share/ca-certificates/groundcrew-proxy.crt" in files
    assert any(isinstance(entry, Purge) for entry in all_entries)
    assert "SystemMaxUse=1G\n" in str(files[JOURNALD].content)
    assert "\nvm.swappiness = 10\n" in str(files["/etc/sysctl.d/99-zz-groundcrew.conf"].content)


@pytest.mark.parametrize("content", [None, "not a certificate"])
def test_certificates_must_be_there_and_be_certificates(
    tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "ca.pem"
    if content:
        path.write_text(content)
    with pytest.raises(ValidationError, match=str(path)):
        settings(ca_certificates=[str(path)])


def test_packages_follow_the_settings() -> None:
    assert "unattended-upgrades" in packages(settings())
    assert "systemd-timesyncd" not in packages(settings(time_sync=False))
    assert "locales" in packages(settings(locale="de_DE.UTF-8"))


def test_only_missing_packages_are_installed() -> None:
    installed = AptState({"nginx": "1.22", "curl": "7.88"}, lists_age=10)
    assert missing(["nginx", "curl=8.0", "jq", "nginx/bookworm-backports"], installed) == [
        "curl=8.0",
        "jq",
    ]


def test_the_install_script_is_valid_shell_that_waits_for_locks() -> None:
    script = install_script(["nginx"], update=True, lock_timeout=300)
    subprocess.run(["sh", "-n"], input=script, text=True, check=True)
    assert "apt-get --quiet --error-on=any update" in script
    assert "DPkg::Lock::Timeout=300" in script
    assert "update" not in install_script(["nginx"], update=False, lock_timeout=300)


def test_packages_that_are_only_configured_are_not_installed() -> None:
    output = ["installed nginx 1.22", "config-files curl 7.88", SEPARATOR, "42"]
    assert Apt().process(output) == AptState({"nginx": "1.22"}, 42)
    assert Apt().process([SEPARATOR]) == AptState()


def test_units_of_other_roles_are_started_and_restarted_with_the_rest() -> None:
    service = Service("fail2ban.service", ("/etc/fail2ban/jail.d/groundcrew.local",))
    down = {**RUNNING, "ActiveState": "failed", "SubState": "failed"}
    units = {**dict.fromkeys(UNITS, RUNNING), service.unit: down}
    failed = base_plan(settings(), state(units=units), [service]).commands
    assert "systemctl --quiet restart fail2ban.service" in failed
    units[service.unit] = RUNNING
    assert base_plan(settings(), state(units=units), [service]).commands == []
    newer = state(units=units, modified={service.files[0]: 1800000000.0})
    assert base_plan(settings(), newer, [service]).commands[-1] == (
        "systemctl --quiet restart fail2ban.service"
    )


def content(path: str, **changes: Any) -> str:
    files = [item for item in entries(settings(**changes)) if isinstance(item, File)]
    return "".join(item.data.decode() for item in files if item.path == path)


def test_modules_and_core_dumps_are_off_by_default_and_each_can_be_had() -> None:
    modules = content(
        "/etc/modprobe.d/90-groundcrew.conf", modules_off={"dccp": True, "sctp": False}
    )
    assert "install dccp /bin/false" in modules
    assert "sctp" not in modules
    for needed in ("squashfs", "udf", "vfat", "overlay"):
        assert needed not in MODULES_OFF
    limits = "/etc/security/limits.d/90-groundcrew.conf"
    assert "* hard core 0" in content(limits)
    assert "core" not in content(limits, core_dumps=True)


def test_the_banner_is_left_alone_when_none_is_wanted() -> None:
    assert "authorized" in content("/etc/issue.net")
    assert content("/etc/issue.net", banner=None) == ""


def test_root_keeps_its_umask() -> None:
    text = content("/etc/profile.d/90-groundcrew.sh")
    assert 'if [ "$(id -u)" -ne 0 ]; then\n    umask 027' in text
    assert "TMOUT" not in text
    assert "readonly TMOUT=900" in content("/etc/profile.d/90-groundcrew.sh", idle_logout=900)
