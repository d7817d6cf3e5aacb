"""The power fails right after a change of the packet filter that shuts everybody out."""

from __future__ import annotations

import socket
import time
from pathlib import Path

from tests.e2e.harness import start_pyinfra
from tests.e2e.test_power_cut import FIRST_RULE, GUARD, PLAYBOOK, RULES, times
from tests.vm.harness import SETTINGS, Machine

PATIENCE = 6
"""Seconds after which SSH counts as shut: less than half of what the host itself waits."""


def test_a_packet_filter_that_lets_nobody_in(machine: Machine, tmp_path: Path) -> None:
    before = machine.out("nft -s -t list table inet groundcrew")
    rules = machine.out(f"cat {RULES}")
    assert FIRST_RULE in rules
    wrong = rules.replace(FIRST_RULE, f"tcp dport 22 drop\n{FIRST_RULE}", 1)
    playbook = tmp_path / "firewall.py"
    playbook.write_text(PLAYBOOK.format(rules=wrong + "\n"))
    run = start_pyinfra(machine.name, SETTINGS, playbook=str(playbook))
    try:
        deadline = time.monotonic() + 300
        while answers(machine):
            assert run.poll() is None, run.communicate()[0]
            assert time.monotonic() < deadline, "SSH still answers"
            time.sleep(0.2)
    finally:
        run.kill()
        run.communicate()
    machine.lose_power()

    machine.power_on()
    assert machine.out(f"ls {GUARD}") == ""
    assert machine.out(f"cat {RULES}") == rules
    assert machine.out("nft -s -t list table inet groundcrew") == before
    put_back = times(machine, "groundcrew-guard.service")
    assert put_back["Result"] == "success"
    # It has run: there was something to put back.
    assert int(put_back["ExecMainExitTimestampMonotonic"]) > 0
    assert "ordering cycle" not in machine.out("journalctl --boot --no-pager")
    machine.is_well(tmp_path)


def answers(machine: Machine) -> bool:
    """Whether the SSH server greets who comes."""
    try:
        with socket.create_connection(("127.0.0.1", machine.port), timeout=PATIENCE) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False
