from __future__ import annotations

import json

import pytest

from groundcrew.adapter import post_quantum
from groundcrew.facts.sshd import Sshd, SshdState
from groundcrew.remote import inspect_sshd
from groundcrew.remote.inspect_sshd import configured_ports, own_ports, socket_ports, taken
from groundcrew.remote.listeners import Listener, Process
from groundcrew.roles.ssh.builders import directives, drop_in, expected, with_include, with_values
from groundcrew.roles.ssh.operations import INCLUDE, certain_lockout, closed_port, refused_ports
from groundcrew.roles.ssh.settings import SshSettings

KEX = [
    "mlkem768x25519-sha256",
    "sntrup761x25519-sha512@openssh.com",
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "diffie-hellman-group16-sha512",
    "diffie-hellman-group14-sha1",
]


def state(version: tuple[int, int] = (9, 2), rsa: int = 3072) -> SshdState:
    return SshdState(
        version=version,
        algorithms={
            "kexalgorithms": KEX[version < (9, 9) :],
            "ciphers": ["aes128-ctr", "3des-cbc", "chacha20-poly1305@openssh.com"],
            "macs": ["hmac-sha1", "hmac-sha2-256-etm@openssh.com"],
            "hostkeyalgorithms": ["ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-512"],
        },
        host_keys={"ed25519": 256, "ecdsa": 256, "rsa": rsa},
    )


def test_algorithms_are_the_recommended_ones_that_the_version_has() -> None:
    bookworm = directives(SshSettings(), state((9, 2)))
    assert bookworm["KexAlgorithms"] == [
        "sntrup761x25519-sha512@openssh.com,curve25519-sha256,curve25519-sha256@libssh.org"
    ]
    assert bookworm["Ciphers"] == ["chacha20-poly1305@openssh.com,aes128-ctr"]
    assert bookworm["HostKeyAlgorithms"] == ["ssh-ed25519,rsa-sha2-512"]
    # Nothing is known about these on this host, so nothing is declared.
    assert "PubkeyAcceptedAlgorithms" not in bookworm


def test_recent_openssh_offers_post_quantum_key_exchange_only() -> None:
    trixie = directives(SshSettings(), state((10, 0)))["KexAlgorithms"][0].split(",")
    assert trixie == ["mlkem768x25519-sha256", "sntrup761x25519-sha512@openssh.com"]
    assert post_quantum.NAME in trixie


def test_weak_host_keys_are_not_offered() -> None:
    assert directives(SshSettings(), state(rsa=4096))["HostKey"] == [
        "/etc/ssh/ssh_host_ed25519_key",
        "/etc/ssh/ssh_host_rsa_key",
    ]
    assert directives(SshSettings(), state())["HostKey"] == ["/etc/ssh/ssh_host_ed25519_key"]


def test_every_setting_reaches_the_file() -> None:
    settings = SshSettings(
        permit_root_login="prohibit-password",
        allow_users=("deploy", "ops@10.*"),
        ciphers=("aes256-ctr",),
        max_auth_tries=6,
    )
    text = drop_in(directives(settings, state()))
    assert "PermitRootLogin prohibit-password\n" in text
    assert "AllowUsers deploy\nAllowUsers ops@10.*\n" in text
    assert "Ciphers aes256-ctr\n" in text
    assert "MaxAuthTries 6\n" in text


def test_sshd_reports_some_values_in_other_words() -> None:
    values = expected(directives(SshSettings(permit_root_login="prohibit-password"), state()))
    assert values["permitrootlogin"] == ["without-password"]
    assert values["passwordauthentication"] == ["no"]


def test_the_include_line_is_added_once_and_first() -> None:
    assert with_include("Port 22\n", INCLUDE) == f"{INCLUDE}\n\nPort 22\n"
    stock = f"# comment\n{INCLUDE.replace(' ', '   ')}\nPort 22\n"
    assert with_include(stock, INCLUDE) == stock


def test_keywords_may_be_given_as_yaml_reads_them() -> None:
    assert SshSettings.model_validate({"permit_root_login": False}).permit_root_login == "no"
    assert SshSettings.model_validate({"allow_tcp_forwarding": True}).allow_tcp_forwarding == "yes"


def test_certain_lockouts_are_refused_beforehand() -> None:
    assert "ssh_user is root" in certain_lockout(SshSettings(), ["deploy"], ["root"])
    assert "users.admins is empty" in certain_lockout(SshSettings(), [], ["deploy"])
    assert certain_lockout(SshSettings(), ["deploy"], ["deploy", "root"]) == ""
    assert certain_lockout(SshSettings(permit_root_login="yes"), [], ["root"]) == ""


def test_administrators_only() -> None:
    only = SshSettings(admins_only=True, allow_users=("backup@10.*",))
    assert directives(only, state(), ["ann"])["AllowUsers"] == ["ann", "backup@10.*"]
    root = only.model_copy(update={"permit_root_login": "prohibit-password"})
    assert directives(root, state(), ["ann"])["AllowUsers"][0] == "root"
    assert "AllowUsers" not in directives(SshSettings(), state(), ["ann"])
    assert "ssh_user is bob" in certain_lockout(only, ["ann"], ["bob"])
    assert certain_lockout(only, ["ann"], ["backup", "root"]) == ""


def test_the_main_file_has_the_values_and_gets_back_its_own_lines() -> None:
    stock = f"{INCLUDE}\nUsePAM yes\nX11Forwarding yes\nMatch User ann\nX11Forwarding yes\n"
    values = directives(SshSettings(allow_users=("ann",)), state())
    written = with_values(stock, values)
    assert "\n# groundcrew: X11Forwarding yes\n" in written
    assert written.index("X11Forwarding no") < written.index("Match User ann\nX11Forwarding yes")
    assert "AllowUsers" not in written and "HostKey " not in written
    assert with_values(written, values) == written
    assert with_values(written, {}) == stock
    assert with_values("Port 22", {}) == "Port 22"


def test_ports_are_left_alone_unless_they_are_set() -> None:
    assert "Port" not in directives(SshSettings(), state())
    declared = directives(SshSettings(ports=(22, 922)), state())
    assert expected(declared)["port"] == ["22", "922"]
    # Lines of sshd_config would add up with those of the drop-in.
    assert "\nPort" not in with_values("PermitRootLogin yes\n", declared)


def test_the_port_of_the_session_stays_open() -> None:
    session = "192.0.2.7 50000 192.0.2.1 22"
    assert closed_port(SshSettings(), session) == ""
    assert closed_port(SshSettings(ports=(22, 922)), session) == ""
    # A machine that manages itself has no session.
    assert closed_port(SshSettings(ports=(922,)), "") == ""
    assert closed_port(SshSettings(ports=(922,)), session) == (
        "ssh.ports does not have 22, the port of this session. Set it to [22, 922] and run this "
        "again; then set the host's ssh_port to 922, and take 22 out of ssh.ports"
    )


def test_one_port_is_one_that_only_root_can_take() -> None:
    with pytest.raises(ValueError, match="such as 922, or set unprivileged_ports"):
        SshSettings(ports=(2222,))
    assert SshSettings(ports=(2222,), unprivileged_ports=True).ports == (2222,)
    assert SshSettings(ports=(22, 2222)).ports == (22, 2222)


def test_a_port_that_sshd_cannot_have_is_refused_before_anything_is_changed() -> None:
    here = SshdState(taken={80: "nginx"})
    assert refused_ports(SshSettings(ports=(22, 922)), here) == ""
    assert refused_ports(SshSettings(ports=(22, 80)), here) == (
        "ssh.ports: 80 is nginx's: choose another port"
    )
    socket = SshdState(socket=True)
    assert refused_ports(SshSettings(), socket) == ""
    assert "systemctl disable --now ssh.socket" in refused_ports(SshSettings(ports=(22,)), socket)


SOCKETS = [
    Listener("0.0.0.0", 22, 0, (Process("sshd", 0),)),
    Listener("[::]", 22, 0, (Process("sshd", 0),)),
    Listener("[::]", 2222, 0, (Process("systemd", 0), Process("sshd", 0))),
    Listener("[::]", 80, 0, (Process("nginx", 0), Process("nginx", 33))),
    # Anybody can take the name.
    Listener("0.0.0.0", 9001, 999, (Process("sshd", 999),)),
    Listener("0.0.0.0", 9002, 0, (Process("sshd", 999),)),
    Listener("0.0.0.0", 9003, 0, ()),
]


def test_who_listens_on_a_port() -> None:
    assert taken(SOCKETS) == {"80": "nginx", "9001": "sshd", "9002": "sshd"}
    assert own_ports(SOCKETS) == [22, 22, 2222]


def test_a_port_may_be_that_of_an_address() -> None:
    settings = {"port": ["22"], "listenaddress": ["[::]:2022", "0.0.0.0:2122", "10.0.0.1"]}
    assert configured_ports(settings) == [22, 2022, 2122]
    assert configured_ports({}) == []


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What programs print, by their first words."""
    told = {
        "ssh -V": "OpenSSH_9.2p1 Debian-2+deb12u6, OpenSSL 3.0.19\n",
        "ssh -GF": "user root\nciphers a,b\nkexalgorithms c\nmacs d\nhostkeyalgorithms e\n"
        "pubkeyacceptedalgorithms f\n",
        "systemctl show": "Listen=[::]:2422 (Stream)\nActiveState=active\n",
    }
    monkeypatch.setattr(inspect_sshd, "output_of", lambda *words: told.get(" ".join(words[:2]), ""))
    monkeypatch.setattr(inspect_sshd, "listeners", lambda: SOCKETS)
    monkeypatch.setattr(inspect_sshd, "effective", lambda: {"port": ["2322"]})
    monkeypatch.setattr(inspect_sshd, "host_keys", dict)
    return told


def test_the_ports_are_all_that_ssh_has_or_will_have(answers: dict[str, str]) -> None:
    report = inspect_sshd.report()
    assert report["ports"] == [22, 2222, 2322, 2422]
    assert report["socket"]
    assert report["version"] == (9, 2)
    assert report["algorithms"]["ciphers"] == ["a", "b"]
    answers["systemctl show"] = "Listen=[::]:2422 (Stream)\nActiveState=inactive\n"
    assert inspect_sshd.report()["ports"] == [22, 2222, 2322]
    assert Sshd().process([json.dumps(report)]).ports == (22, 2222, 2322, 2422)
    assert Sshd().process([json.dumps(report)]).known
    assert not Sshd.default().known


def test_an_ssh_that_does_not_tell_its_algorithms_is_an_error(answers: dict[str, str]) -> None:
    answers["ssh -GF"] = "ciphers a,b\n"
    with pytest.raises(RuntimeError, match="ssh -G does not tell kexalgorithms, macs, "):
        inspect_sshd.report()
    # Without a client, nothing is known of them.
    answers["ssh -GF"] = ""
    assert not any(inspect_sshd.report()["algorithms"].values())


@pytest.mark.parametrize(
    ("state", "ports"),
    [
        (["ActiveState=active", "UnitFileState=disabled"], [2222]),
        (["ActiveState=inactive", "UnitFileState=enabled"], [2222]),
        (["ActiveState=inactive", "UnitFileState=disabled"], []),
    ],
)
def test_the_ports_of_the_ssh_socket(state: list[str], ports: list[int]) -> None:
    shown = "\n".join(["Listen=[::]:2222 (Stream)", "Listen=/run/x (Stream)", *state])
    assert socket_ports(shown) == ports
