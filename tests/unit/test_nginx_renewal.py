"""nginx's processes are replaced by new ones, or go on."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from groundcrew.remote.renewal_state import RenewalError
from groundcrew.roles.nginx import on_host_renewal as nginx

OLD, NEW = 100, 200


class Nginx:
    """A main process, with workers, that reacts to signals as nginx does."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.starts = True
        self.works = True
        self.refused = False
        self.signals: list[tuple[int, int]] = []
        self.pid, self.old_pid = folder / "nginx.pid", folder / "nginx.pid.oldbin"
        self.pid.write_text(f"{OLD}\n")
        self.children(OLD, [101])
        for name, value in {"PID": self.pid, "OLD_PID": self.old_pid, "PROC": folder}.items():
            monkeypatch.setattr(nginx, name, value)
        for name in ("START", "FINISH"):
            monkeypatch.setattr(nginx, name, 0.3)
        monkeypatch.setattr(nginx, "SETTLE", 0)
        monkeypatch.setattr(nginx, "run", self.run)
        monkeypatch.setattr(os, "kill", self.kill)

    def children(self, process: int, numbers: list[int]) -> None:
        folder = self.folder / str(process) / "task" / str(process)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "children").write_text(" ".join(map(str, numbers)))

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        if command[0] == "systemctl":
            return subprocess.CompletedProcess(command, 0, self.pid.read_text(), "")
        return subprocess.CompletedProcess(command, int(self.refused), "", "no such file")

    def kill(self, process: int, number: int) -> None:
        self.signals.append((process, number))
        if number == signal.SIGUSR2 and self.starts:
            self.old_pid.write_text(f"{OLD}\n")
            self.pid.write_text(f"{NEW}\n")
            self.children(OLD, [101, NEW])
            self.children(NEW, [201] if self.works else [])
        if number == signal.SIGWINCH:
            self.children(OLD, [NEW])


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Nginx:
    return Nginx(tmp_path, monkeypatch)


def test_the_old_processes_end_after_the_new_ones_have_begun(host: Nginx) -> None:
    nginx.renew("nginx.service")
    assert host.signals == [
        (OLD, signal.SIGUSR2),
        (OLD, signal.SIGWINCH),
        (OLD, signal.SIGQUIT),
    ]


def test_nothing_is_done_with_a_configuration_that_is_refused(host: Nginx) -> None:
    host.refused = True
    with pytest.raises(RenewalError, match="no such file"):
        nginx.renew("nginx.service")
    assert host.signals == []


def test_the_old_processes_go_on_if_no_new_ones_start(host: Nginx) -> None:
    host.starts = False
    with pytest.raises(RenewalError, match="the old ones go on serving"):
        nginx.renew("nginx.service")
    assert host.signals == [(OLD, signal.SIGUSR2)]


def test_a_new_main_process_without_workers_is_ended(host: Nginx) -> None:
    host.works = False
    with pytest.raises(RenewalError, match="the old ones go on serving"):
        nginx.renew("nginx.service")
    assert host.signals == [(OLD, signal.SIGUSR2), (NEW, signal.SIGQUIT)]
