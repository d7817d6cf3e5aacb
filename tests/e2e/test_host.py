"""What a converged host is like for whoever administers it, and for whoever attacks it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest

from groundcrew.entries import File
from groundcrew.roles.users.builders import SUDOERS, entries
from groundcrew.roles.users.settings import UsersSettings
from tests.e2e.harness import KEY, LabHost, lab
from tests.e2e.test_web import unpack

SSHD = {
    "permitrootlogin": "no",
    "passwordauthentication": "no",
    "kbdinteractiveauthentication": "no",
    "permitemptypasswords": "no",
    "permituserenvironment": "no",
    "x11forwarding": "no",
    "allowagentforwarding": "no",
    "allowtcpforwarding": "no",
    "maxauthtries": "4",
    "logingracetime": "30",
    "maxstartups": "10:30:60",
    "loglevel": "VERBOSE",
}
LISTEN = """
import socket, time
taken = [socket.create_server(("0.0.0.0", 9999)),
         socket.create_server(("::", 9998), family=socket.AF_INET6)]
time.sleep(300)
"""
CONNECT = """
import json, socket, sys
answers = {}
for address, ports in json.loads(sys.argv[1]).items():
    for port in ports:
        try:
            socket.create_connection((address, port), timeout=1.5).close()
            answers[f"{address} {port}"] = True
        except OSError:
            answers[f"{address} {port}"] = False
print(json.dumps(answers))
"""


def test_sshd_is_hardened(converged: LabHost) -> None:
    values = dict(line.split(" ", 1) for line in converged.out("sshd -T").splitlines())
    assert {key: values[key] for key in SSHD} == SSHD
    for weak in ("sha1", "cbc", "arcfour", "hmac-md5", "umac-64@"):
        lists = " ".join(values[key] for key in ("kexalgorithms", "ciphers", "macs"))
        assert weak not in lists


def test_only_keys_are_asked_for_and_root_is_refused(converged: LabHost) -> None:
    key = paramiko.Ed25519Key.from_private_key_file(str(KEY))
    with paramiko.Transport((converged.address, 22)) as transport:
        transport.start_client(timeout=10)
        with pytest.raises(paramiko.BadAuthenticationType) as refused:
            transport.auth_none("deploy")
        assert refused.value.allowed_types == ["publickey"]
    with paramiko.Transport((converged.address, 22)) as transport:
        transport.start_client(timeout=10)
        with pytest.raises(paramiko.AuthenticationException):
            transport.auth_publickey("root", key)


def test_sudo_is_for_administrators_only(converged: LabHost, tmp_path: Path) -> None:
    assert "parsed OK" in converged.out("visudo -c")
    assert "(ALL : ALL) NOPASSWD: ALL" in converged.out("sudo -l -U deploy")
    for user in ("hello", "hello-build", "www-data"):
        assert "not allowed to run sudo" in converged.out(f"sudo -l -U {user}")
    key = tmp_path / "id.pub"
    key.write_text(KEY.with_suffix(".pub").read_text())
    admins = {"ann": {"keys": [str(key)]}, "bob": {"keys": [str(key)]}}
    files = entries(UsersSettings.model_validate({"admins": admins}), [])
    [sudoers] = [item for item in files if isinstance(item, File) and item.path == SUDOERS]
    unpack(converged, "/root", {"sudoers-test": sudoers.data.decode()})
    converged.out("visudo -cqf /root/sudoers-test && rm /root/sudoers-test")


@pytest.fixture(scope="module")
def peer() -> Iterator[str]:
    """Another host on the network of the lab."""
    lab("up", "e2e-peer")
    # Also one that is there already is replaced by a fresh one.
    lab("ssh", "e2e-peer", "touch /root/old")
    lab("reset", "e2e-peer")
    assert lab("ssh", "e2e-peer", "ls /root") == ""
    yield "e2e-peer"
    lab("down", "e2e-peer")


def test_another_host_reaches_declared_ports_only(converged: LabHost, peer: str) -> None:
    hosts = {host["name"]: host for host in json.loads(lab("list", "--json"))}
    family6 = hosts[converged.name]["address6"]
    converged.out(f"systemd-run --collect --unit=listen-test python3 -c '{LISTEN}'")
    try:
        targets = {converged.address: [22, 80, 9999, 8090]}
        targets |= {family6: [22, 80, 9998, 8090]} if family6 else {}
        ask = f"python3 -c '{CONNECT}' '{json.dumps(targets)}'"
        answers = json.loads(lab("ssh", peer, ask))
        listening = converged.out("ss -ltnH")
    finally:
        converged.out("systemctl stop listen-test.service")
    assert ":9999" in listening and ":9998" in listening
    assert answers == {
        f"{address} {port}": port in (22, 80)
        for address, ports in targets.items()
        for port in ports
    }


def test_the_packet_filter_drops_by_default_for_both_families(converged: LabHost) -> None:
    table = converged.out("nft list table inet groundcrew")
    assert re.search(r"hook input priority filter; policy drop;", table)
    assert 'tcp dport 80 accept comment "http"' in table
    assert converged.out("systemctl is-enabled nftables-groundcrew.service") == "enabled"
    converged.out("nft -c -f /etc/nftables.d/groundcrew.nft")


def test_security_updates_and_the_size_of_the_journal(converged: LabHost) -> None:
    apt = converged.out("apt-config dump")
    assert 'APT::Periodic::Unattended-Upgrade "1";' in apt
    assert 'Unattended-Upgrade::Automatic-Reboot "false";' in apt
    assert "label=Debian-Security" in apt
    for timer in ("apt-daily.timer", "apt-daily-upgrade.timer", "logrotate.timer"):
        assert converged.out(f"systemctl is-enabled {timer}") == "enabled"
    journald = converged.out("systemd-analyze cat-config systemd/journald.conf")
    assert "\nSystemMaxUse=500M\n" in journald
    assert converged.out("test -d /var/log/journal && date +%Z") == "UTC"


def test_logrotate_has_no_complaint(converged: LabHost) -> None:
    done = converged.shell.run("logrotate --debug /etc/logrotate.conf")
    assert done.rc == 0
    assert "error:" not in done.stderr
    assert "/var/log/nginx/hello.access.log" in done.stderr + done.stdout


def test_there_is_room_for_many_connections(converged: LabHost) -> None:
    assert int(converged.out("sysctl -n net.core.somaxconn")) == 4096
    # A container has no more than its machine gave it.
    most = int(converged.out("grep 'Max open files' /proc/1/limits").split()[4])
    # Who listens says how many may wait; the kernel's limit is not below it.
    waiting = converged.out(
        "ss -ltnH 'sport = 80'; ss -lxnH src '/run/groundcrew/apps/hello/*'"
    ).splitlines()
    assert {int(line.split("LISTEN")[1].split()[1]) for line in waiting} == {4096, 2048}
    hello = f"hello@{converged.live('hello')}.service"
    for unit, files in (("nginx.service", 16384), (hello, 65536)):
        shown = converged.out(f"systemctl show --property=LimitNOFILE --value {unit}")
        assert int(shown) == files
        pid = converged.out(f"systemctl show --property=MainPID --value {unit}")
        limit = converged.out(f"grep 'Max open files' /proc/{pid}/limits").split()
        assert int(limit[3]) == min(files, most)
