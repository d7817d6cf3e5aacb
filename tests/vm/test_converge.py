"""From bare to serving, on a machine with a kernel of its own; after that, nothing changes."""

from __future__ import annotations

from pathlib import Path

from tests.vm.harness import Machine


def test_the_first_run_makes_a_bare_machine_serve(machine: Machine) -> None:
    assert machine.first is not None
    assert machine.first.json["results"]["failed_hosts"] == []
    answer = machine.get("/", "hello.test")
    assert answer.status_code == 200
    assert "good morning" in answer.text


def test_the_second_run_changes_nothing(machine: Machine) -> None:
    run = machine.run()
    assert run.status == 0, run.stderr
    assert run.changed == []
    assert run.json["results"]["totals"]["no_change"] > 20


def test_a_dry_run_plans_nothing(machine: Machine) -> None:
    run = machine.run({}, "--dry")
    assert run.status == 0, run.stderr
    assert run.planned == []


def test_every_promise_is_kept(machine: Machine, tmp_path: Path) -> None:
    checks = machine.checks(tmp_path)
    for name in ("hello: unit", "hello: sandbox", "firewall: policy", "listening sockets"):
        assert checks[name]["status"] == "ok", checks[name]


def test_what_belongs_to_the_kernel_is_set(machine: Machine) -> None:
    """In a container it is read-only, or another's."""
    assert machine.out("sysctl -n kernel.kptr_restrict vm.swappiness").split() == ["2", "10"]
    assert machine.out("cat /sys/module/apparmor/parameters/enabled") == "Y"
    assert "/swapfile" in machine.out("swapon --show=NAME --noheadings")
    assert machine.out("systemctl is-active systemd-timesyncd") == "active"
