"""Root's commands of a connection run in one process on the host, and are noted in its journal."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.harness import LabHost, inside, pyinfra, until, version

SUDO = "journalctl -q --no-pager -t sudo | grep -c ' deploy : .*COMMAND=/' || true"
NOTED = "journalctl -q --no-pager -t groundcrew -o cat"
PROCESSES = "pgrep -c -f '[g]roundcrew-root-process' || true"


def test_one_sudo_for_all_commands(converged: LabHost) -> None:
    before, noted = int(inside(converged, SUDO)), len(inside(converged, NOTED).splitlines())
    run = pyinfra(converged.name)
    assert (run.status, run.changed) == (0, [])
    assert int(inside(converged, SUDO)) == before + 1
    assert 2 <= len(inside(converged, NOTED).splitlines()) - noted <= 6
    assert "deploy : USER=root ; COMMAND='groundcrew.remote.read_host" in inside(converged, NOTED)
    until(lambda: int(inside(converged, PROCESSES)) == 0, seconds=10)


def test_a_host_may_run_each_command_by_itself(bookworm: LabHost) -> None:
    before, noted = int(inside(bookworm, SUDO)), inside(bookworm, NOTED)
    run = pyinfra(bookworm.name, data={"root_process": "false"})
    assert (run.status, run.changed) == (0, [])
    assert int(inside(bookworm, SUDO)) > before + 1
    assert inside(bookworm, NOTED) == noted
    wrong = pyinfra(bookworm.name, data={"root_process": "flase"})
    assert wrong.status == 1
    assert "expected true or false, got 'flase'" in wrong.stderr
    assert "Fix root_process (--data), then run the same again." in wrong.stderr


def test_three_sessions_are_enough_for_a_release(bookworm: LabHost, source: Path) -> None:
    """The process gives way to a file's transfer where a server allows no fourth session."""
    few = {"ssh.max_sessions": 3, "app.hello.source.directory": str(source)}
    try:
        version(source, "few sessions")
        run = pyinfra(bookworm.name, data=few)
        assert run.status == 0, run.stderr
        assert "maxsessions 3" in inside(bookworm, "sshd -T")
        version(source, "few sessions again")
        run = pyinfra(bookworm.name, data=few)
        assert run.status == 0, run.stderr
    finally:
        last = pyinfra(bookworm.name)
    assert last.status == 0, last.stderr
