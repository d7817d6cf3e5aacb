"""Wrong values of a user never lock anybody out or take a site down."""

from __future__ import annotations

import re
import subprocess
import time
from typing import Any

import pytest

from tests.e2e.harness import PYINFRA, ROOT, LabHost, pyinfra, traffic

PATIENCE = 5
"""Seconds after its time is up in which the host must be as it was."""
STRANGER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBmJcYkBRXKyPnLSrWsXJ4PRsPpHSAYtjVdKv3XkGDkS nobody"
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "sshd: a value that sshd refuses": ({"ssh.ciphers": ["rot13-cbc"]}, "refused by"),
    "sshd: nobody of the administrators may log in": (
        {"ssh.allow_users": ["somebody-else"]},
        "put back, because it locks the operator out",
    ),
    "sshd: members of a group only that the operator is not in": (
        {"ssh.allow_groups": ["somebody-else"]},
        "put back, because it locks the operator out",
    ),
    "sshd: no key exchange that the operator has": (
        {"ssh.kex_algorithms": ["sntrup761x25519-sha512@openssh.com"]},
        "put back, because it locks the operator out",
    ),
    "nftables: SSH from elsewhere only": (
        {"firewall.ssh_from": ["192.0.2.0/24"]},
        "does not include",
    ),
    "nftables: a port that is none": (
        {"firewall.allow.wrong": {"ports": [99999]}},
        "ports are 1 to 65535",
    ),
    "sudoers: a name that sudo reads otherwise": (
        {"users.admins": {"deploy": {}, "ALL=(x": {}}},
        "users.admins",
    ),
    "users: a key that the operator does not have": (
        {"users.admins.deploy.keys": [STRANGER]},
        "put back, because it locks the operator out",
    ),
    "users: a shell that the host does not have": (
        {"users.admins.deploy.shell": "/usr/bin/fish"},
        "no shell /usr/bin/fish on this host",
    ),
    "nginx: a value that nginx refuses": (
        {"nginx.large_client_header_buffers": "4 none"},
        "nginx.large_client_header_buffers",
    ),
    "nginx: a port that another program has": ({"app.hello.port": 22}, "port 22"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_value_changes_nothing_that_matters(bookworm: LabHost, case: str) -> None:
    values, reason = WRONG[case]
    state = watched(bookworm)
    with traffic(bookworm, "/health", "hello.test") as client:
        run = pyinfra(bookworm.name, data=values)
    assert run.status != 0
    assert reason in run.stdout + run.stderr
    assert client.failures == []
    assert watched(bookworm) == state


def watched(host: LabHost) -> str:
    """All that a wrong value could have broken; asked over a new connection, as an administrator
    who becomes root."""
    return host.out(
        "sshd -T | sha256sum; nft -s -t list table inet groundcrew | sha256sum; "
        "visudo -c && nginx -t 2>&1 && cat /etc/nginx/groundcrew/*.conf | sha256sum; "
        "cat /home/deploy/.ssh/authorized_keys /etc/sudoers.d/*; getent passwd deploy; "
        "cat /etc/pam.d/* | sha256sum; ls /var/lib/groundcrew/guard"
    )


@pytest.mark.parametrize(
    ("file", "content", "values"),
    [
        ("/etc/nginx/conf.d/wrong.conf", "nonsense;", {"nginx.gzip_level": 4}),
        ("/etc/sudoers.d/wrong", "deploy ALL=(ALL", {"users.sudo_log": None}),
    ],
)
def test_a_change_beside_a_broken_file_of_somebody_else_is_put_back(
    bookworm: LabHost, file: str, content: str, values: dict[str, Any]
) -> None:
    state = watched(bookworm)
    inside(bookworm, f"echo '{content}' > {file}; chmod 0440 {file}")
    with traffic(bookworm, "/health", "hello.test") as client:
        run = pyinfra(bookworm.name, data=values)
    inside(bookworm, f"rm {file}")
    assert run.status != 0
    assert file in run.stdout + run.stderr
    assert client.failures == []
    assert watched(bookworm) == state


def test_pam_that_lets_nobody_in_is_put_back(bookworm: LabHost) -> None:
    """A profile of somebody else's comes into force with ours."""
    state = watched(bookworm)
    profile = "Name: wrong\\nDefault: yes\\nPriority: 900\\nAccount-Type: Primary\\nAccount:\\n"
    file = "/usr/share/pam-configs/wrong"
    inside(bookworm, f"printf '{profile}\\trequisite pam_deny.so\\n' > {file}")
    with traffic(bookworm, "/health", "hello.test") as client:
        run = pyinfra(bookworm.name, data={"users.logins.failures": 4})
    inside(bookworm, f"rm {file}")
    assert run.status != 0
    # sudo is closed as well, so that only the host itself can put it back.
    said = re.search(r"the host does it by itself within (\d+) seconds", run.stdout + run.stderr)
    assert said
    ended = time.monotonic()
    while inside(bookworm, "ls /var/lib/groundcrew/guard").strip():
        assert time.monotonic() - ended < int(said[1]) + PATIENCE, "the change was not put back"
        time.sleep(1)
    assert client.failures == []
    assert watched(bookworm) == state


def test_an_operator_who_disappears_is_not_waited_for(
    trixie: LabHost, disappeared: tuple[str, float]
) -> None:
    """The host put the change back by itself, while the tests above went on with another host."""
    before, end = disappeared
    while inside(trixie, "ls /var/lib/groundcrew/guard").strip():
        assert time.monotonic() < end, "the change was not put back"
        time.sleep(1)
    assert watched(trixie) == before


@pytest.fixture(scope="module", autouse=True)
def disappeared(trixie: LabHost) -> tuple[str, float]:
    """The state before a change of an operator who was killed before it could prove that it still
    gets in, and when it must be back."""
    before = watched(trixie)
    values = ["--data=firewall.ping=false"]
    command = [*PYINFRA, "inventory/lab.py", "deploy.py", "-y", f"--limit={trixie.name}", *values]
    run = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, text=True
    )
    deadline = time.monotonic() + 60
    while "groundcrew" not in inside(trixie, "ls /var/lib/groundcrew/guard 2>/dev/null || true"):
        assert time.monotonic() < deadline, "the change was never made"
        time.sleep(0.02)
    run.kill()
    run.wait()
    assert "groundcrew" in inside(trixie, "ls /var/lib/groundcrew/guard"), "it was kept already"
    sleeper = inside(trixie, "systemctl show groundcrew-guard-groundcrew --property=ExecStart")
    seconds = re.search(r"sleep (\d+)", sleeper)
    # A minute; on a slow machine up to three.
    assert seconds and 55 <= int(seconds[1]) <= 165
    return before, time.monotonic() + int(seconds[1]) + PATIENCE


def inside(host: LabHost, command: str) -> str:
    done = subprocess.run(
        ["docker", "exec", host.container, "sh", "-c", command],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout
