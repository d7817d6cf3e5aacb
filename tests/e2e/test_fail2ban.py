"""fail2ban bans whoever fails to log in too often, lets go again, and spares who is logged in."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.e2e.harness import KEY, ROOT, LabHost, inside, lab, suites

SSH = "ssh -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
-o ConnectTimeout=2 -o IdentitiesOnly=yes -i /root/key"
REACH = "timeout 3 bash -c 'exec 3<>/dev/tcp/{address}/80' 2>/dev/null && echo yes || echo no"


class Peer(LabHost):
    """Another lab host, which has a key that the host's administrator may log in with."""

    def tries(self, address: str, users: str) -> None:
        """One login as each of them."""
        inside(
            self, f'for u in {users}; do {SSH} -l "$u" {address} true; done >/dev/null 2>&1; true'
        )

    def reaches(self, address: str) -> bool:
        return inside(self, REACH.format(address=address)).strip() == "yes"


@pytest.fixture(scope="module")
def peer() -> Iterator[Peer]:
    lab("up", "ban-peer")
    host = Peer("ban-peer", "bookworm")
    host.find()
    inside(host, "umask 077; cat >/root/key", KEY.read_text())
    yield host
    host.down()


@pytest.fixture
def guarded(converged: LabHost) -> Iterator[LabHost]:
    """A host whose jail counts from zero, and whose bans end soon."""
    inside(converged, "systemctl restart fail2ban")
    for _ in range(50):
        if "sshd" in inside(converged, "fail2ban-client status 2>&1 || true"):
            break
        time.sleep(0.2)
    inside(converged, "fail2ban-client set sshd bantime 8")
    yield converged
    inside(converged, "fail2ban-client unban --all; systemctl restart fail2ban")


def status(host: LabHost, line: str) -> list[str]:
    text = inside(host, "fail2ban-client status sshd")
    return text.split(f"{line}:")[1].splitlines()[0].split()


def failed(host: LabHost) -> int:
    return int(status(host, "Total failed")[0])


def until(host: LabHost, address: str, wanted: bool, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while (address in status(host, "Banned IP list")) != wanted:
        if time.monotonic() > end:
            return False
        time.sleep(0.5)
    return True


def counted(host: LabHost, number: int) -> int:
    """How many logins were counted, once as many were as should be and a moment has passed."""
    end = time.monotonic() + 10
    while failed(host) < number and time.monotonic() < end:
        time.sleep(0.5)
    time.sleep(2)
    return failed(host)


def test_a_refused_login_counts_once(guarded: LabHost, peer: Peer) -> None:
    # Names that are and are not there; root is refused after its key was.
    peer.tries(guarded.address, "root deploi 'a b from 192.0.2.9 port 22' www-data")
    assert counted(guarded, 4) == 4
    assert status(guarded, "Banned IP list") == []
    # Who gets in does not count.
    inside(peer, f"{SSH} deploy@{guarded.address} true")
    assert counted(guarded, 4) == 4


def test_an_address_is_banned_and_let_go_and_the_operators_is_not(
    guarded: LabHost, peer: Peer
) -> None:
    assert peer.reaches(guarded.address)
    # As often while somebody is logged in from there.
    session = subprocess.Popen(
        ["docker", "exec", "-i", peer.container, *SSH.split(), f"deploy@{guarded.address}", "cat"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert session.stdin and session.stdout
    session.stdin.write(b"in\n")
    session.stdin.flush()
    assert session.stdout.readline() == b"in\n"
    peer.tries(guarded.address, "who1 who2 who3 who4 who5 who6")
    log = "tail -n 40 /var/log/fail2ban.log 2>/dev/null || journalctl -n 40 -u fail2ban"
    end = time.monotonic() + 15
    while inside(guarded, log).count(f"Ignore {peer.address} by command") < 6:
        assert time.monotonic() < end
        time.sleep(0.5)
    assert failed(guarded) == 0
    assert status(guarded, "Banned IP list") == []
    session.stdin.close()
    assert session.wait(timeout=10) == 0
    # Nobody is.
    peer.tries(guarded.address, "who1 who2 who3 who4 who5")
    assert until(guarded, peer.address, True, 15)
    assert not peer.reaches(guarded.address)
    assert until(guarded, peer.address, False, 40)
    assert peer.reaches(guarded.address)


@suites("bookworm")
def test_those_who_work_with_lab_hosts_are_never_banned(guarded: LabHost, peer: Peer) -> None:
    before = failed(guarded)
    for number in range(6):
        subprocess.run(
            [str(ROOT / "bin/lab"), "ssh", "--user", f"who{number}", guarded.name, "true"],
            capture_output=True,
            check=False,
        )
    # The shell of who works there, without a try as anybody else.
    inside(guarded, "journalctl --sync")
    since = inside(guarded, "date +@%s.%N").strip()
    assert lab("ssh", guarded.name, "id", "-un") == "deploy\n"
    assert lab("ssh", peer.name, "id", "-un") == "root\n"
    inside(guarded, "journalctl --sync")
    log = inside(guarded, f"journalctl --unit=ssh --since={since} --output=cat")
    assert "Accepted publickey for deploy" in log
    assert "root" not in log
    time.sleep(3)
    assert failed(guarded) == before
    assert status(guarded, "Banned IP list") == []
