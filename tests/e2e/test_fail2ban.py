"""fail2ban bans whoever fails to log in too often, lets go again, and spares who is logged in."""

from __future__ import annotations

import time
from collections.abc import Iterator

import paramiko
import pytest

from tests.e2e.harness import KEY, LabHost, lab

TRY = "for i in 1 2 3 4 5; do ssh -o BatchMode=yes -o StrictHostKeyChecking=no \
-o ConnectTimeout=2 nobody$i@{address} true; done >/dev/null 2>&1; true"
REACH = "timeout 3 bash -c 'exec 3<>/dev/tcp/{address}/80' 2>/dev/null && echo yes || echo no"


@pytest.fixture(scope="module")
def peer() -> Iterator[str]:
    lab("up", "ban-peer")
    yield "ban-peer"
    lab("down", "ban-peer")


def banned(host: LabHost) -> list[str]:
    status = host.out("fail2ban-client status sshd")
    return status.split("Banned IP list:")[1].split()


def until(host: LabHost, address: str, wanted: bool, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while (address in banned(host)) != wanted:
        if time.monotonic() > end:
            return False
        time.sleep(0.5)
    return True


def test_an_address_is_banned_and_let_go_and_the_operators_is_not(
    bookworm: LabHost, peer: str
) -> None:
    bookworm.out("fail2ban-client set sshd bantime 8; fail2ban-client set sshd maxretry 3")
    address = lab("ssh", peer, "hostname -I").split()[0]
    reach = REACH.format(address=bookworm.address)
    assert lab("ssh", peer, reach).strip() == "yes"
    lab("ssh", peer, TRY.format(address=bookworm.address))
    assert until(bookworm, address, True, 15)
    assert lab("ssh", peer, reach).strip() == "no"
    # The operator fails as often, while logged in.
    with paramiko.SSHClient() as session:
        session.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        session.connect(bookworm.address, username="deploy", key_filename=str(KEY))
        for number in range(5):
            with paramiko.Transport((bookworm.address, 22)) as transport:
                transport.start_client(timeout=10)
                with pytest.raises(paramiko.SSHException):
                    transport.auth_none(f"nobody{number}")
        assert until(bookworm, address, False, 40)
        assert banned(bookworm) == []
        log = bookworm.out("tail -n 40 /var/log/fail2ban.log || journalctl -n 40 -u fail2ban")
        assert "by command" in log
    assert lab("ssh", peer, reach).strip() == "yes"
    bookworm.out("systemctl restart fail2ban")
