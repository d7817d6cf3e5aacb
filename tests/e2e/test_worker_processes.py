"""Worker processes that die: one now and then, and all of them for ever."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from tests.e2e.harness import ROOT, LabHost, pyinfra, traffic


def workers(host: LabHost) -> list[str]:
    """Process ids of hello's workers."""
    unit = f"hello@{host.live('hello')}.service"
    main = host.out(f"systemctl show --property=MainPID --value {unit}")
    return host.out(f"pgrep -P {main}").split()


def test_as_many_workers_as_gunicorn_recommends(converged: LabHost) -> None:
    cpus = int(converged.out("nproc"))
    assert len(workers(converged)) == 2 * cpus + 1


def test_a_killed_worker_is_replaced_and_the_others_answer(converged: LabHost) -> None:
    before = workers(converged)
    converged.out(f"kill -KILL {before[0]}")
    for _ in range(20):
        assert converged.get("/health", "hello.test").status_code == 200
    for _ in range(50):
        after = workers(converged)
        if len(after) == len(before):
            break
        time.sleep(0.1)
    assert len(after) == len(before)
    assert before[0] not in after
    assert set(before[1:]) <= set(after)


def test_restart_replaces_the_workers_of_one_application_alone(bookworm: LabHost) -> None:
    before = workers(bookworm)
    others = bookworm.out("pgrep -u httpbin").split()
    with traffic(bookworm, "/", "hello.test") as counts:
        run = pyinfra(bookworm.name, playbook="playbooks/restart.py", data={"app": "hello"})
        time.sleep(3)
    assert run.status == 0, run.stderr
    assert counts.requests > 50
    assert counts.failures == []
    assert set(before).isdisjoint(workers(bookworm))
    assert bookworm.out("pgrep -u httpbin").split() == others


def test_workers_that_exit_at_once_and_for_ever(bookworm: LabHost, tmp_path: Path) -> None:
    """gunicorn replaces them for ever: its socket is open and its unit active."""
    source = tmp_path / "hello"
    shutil.copytree(ROOT / "examples" / "hello", source)
    app = source / "hello.py"
    app.write_text(app.read_text() + "\n\nos._exit(1)\n")
    before = bookworm.live("hello")
    settings = {"app.hello.source.directory": str(source), "app.hello.health.timeout": 8}
    with traffic(bookworm, "/", "hello.test") as counts:
        run = pyinfra(bookworm.name, data=settings)
    assert run.status == 1
    assert "not healthy within 8 s" in run.stderr
    assert counts.failures == []
    assert bookworm.live("hello") == before
    assert pyinfra(bookworm.name).status == 0
    assert bookworm.live("hello") == before
