"""The power fails right after a change that shuts everybody out, and the operator is gone too."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from tests.e2e.harness import LabHost, inside, pyinfra, start_pyinfra, suites

GUARD = "/var/lib/groundcrew/guard"
RULES = "/etc/nftables.d/groundcrew.nft"
DROP_IN = "/etc/ssh/sshd_config.d/00-groundcrew.conf"
# Settings alone would not make such a rule.
PLAYBOOK = """
from pyinfra import host
from groundcrew import transport
from groundcrew.operations import nftables

nftables.ruleset(
    name="Load the packet filter",
    table="groundcrew",
    content=lambda state: {rules!r},
    users=lambda: transport.login_users(host),
)
"""
FIRST_RULE = "ct state vmap { established : accept, related : accept, invalid : drop }"


# The lab itself has a table, which is another at each start; fail2ban makes its own at a ban.
FIREWALL = "nft list tables | grep -v f2b-table; nft -s -t list table inet groundcrew"
SSHD = "sshd -T"


@suites("trixie")
def test_a_packet_filter_that_lets_nobody_in(converged: LabHost, tmp_path: Path) -> None:
    """Not even connections that are there already."""
    before = inside(converged, FIREWALL)
    rules = inside(converged, f"cat {RULES}")
    assert FIRST_RULE in rules
    wrong = rules.replace(FIRST_RULE, f"tcp dport 22 drop\n{FIRST_RULE}", 1)
    playbook = tmp_path / "firewall.py"
    playbook.write_text(PLAYBOOK.format(rules=wrong))
    run = start_pyinfra(converged.name, playbook=str(playbook))
    when_done(converged, run, "nft list table inet groundcrew | grep -q '22 drop'")
    assert inside(converged, f"cat {RULES}") == wrong
    loses_power(converged, "groundcrew")
    comes_back(converged, "nftables-groundcrew.service")
    assert inside(converged, f"cat {RULES}") == rules
    assert inside(converged, FIREWALL) == before


@suites("bookworm")
def test_an_ssh_server_that_lets_nobody_in(converged: LabHost) -> None:
    before = inside(converged, SSHD)
    run = start_pyinfra(
        converged.name, {"ssh.allow_users": ["somebody-else"]}, playbook="deploy.py"
    )
    when_done(converged, run, f"grep -q somebody-else {DROP_IN}")
    loses_power(converged, "ssh")
    comes_back(converged, "ssh.service")
    assert inside(converged, SSHD) == before


def when_done(host: LabHost, run: subprocess.Popen[str], done: str) -> None:
    """Kills the run once `done` is true on the host."""
    inside(host, f"for i in $(seq 6000); do {done} && exit; sleep 0.01; done; false")
    run.kill()
    run.communicate()


def loses_power(host: LabHost, name: str) -> None:
    """Three seconds later, with the change `name` still undecided."""
    time.sleep(3)
    assert inside(host, f"ls {GUARD}").split() == [name]
    host.lose_power()


def comes_back(host: LabHost, unit: str) -> None:
    """The change is put back before `unit` starts from it; people get in, and the next run finds
    all as it should be."""
    host.power_on()
    assert host.out(f"ls {GUARD}") == ""
    journal = host.out("journalctl --boot --no-pager")
    assert "ordering cycle" not in journal
    put_back = times(host, "groundcrew-guard.service")
    assert put_back["Result"] == "success"
    ended = int(put_back["ExecMainExitTimestampMonotonic"])
    assert 0 < ended <= int(times(host, unit)["ExecMainStartTimestampMonotonic"])
    assert host.out("systemctl --failed --no-legend") == ""
    run = pyinfra(host.name)
    assert run.status == 0, run.stderr
    assert run.changed == []


def times(host: LabHost, unit: str) -> dict[str, str]:
    shown = host.out(
        f"systemctl show {unit} --property=Result,ExecMainStartTimestampMonotonic,"
        "ExecMainExitTimestampMonotonic"
    )
    return dict(line.split("=", 1) for line in shown.splitlines())
