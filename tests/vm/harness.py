"""Virtual machines of the lab as hosts of tests: they reboot, and their power fails."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import testinfra

from tests.e2e.harness import KEY, LabHost, Run, lab, pyinfra

SETTINGS: dict[str, Any] = {
    "apps": ["hello"],
    "app.hello.nginx.limits": False,
    "base.hosts": {"redis": "10.0.0.5"},
    "base.swap_mib": 64,
}
"""Of all runs: with what a container has not."""

RUN_SECONDS = 1800
BOOT_SECONDS = 900
LOGIN_SECONDS = 60


@dataclass
class Machine(LabHost):
    """A virtual machine; `address` has its HTTP port."""

    port: int = 0
    pid: int = 0

    def up(self) -> None:
        lab("reset", self.name, "--vm", "--suite", self.suite)
        self.find()

    def find(self) -> None:
        hosts = json.loads(lab("list", "--json"))
        host = next(host for host in hosts if host["name"] == self.name)
        self.address = f"{host['address']}:{host['http_port']}"
        self.port, self.pid = host["ssh_port"], host["pid"]

    def reboot(self) -> None:
        """As its administrator does; ends when it is back."""
        before = self.boot()
        self.out("setsid sh -c 'sleep 1; systemctl reboot' >/dev/null 2>&1 & true")
        deadline = time.monotonic() + BOOT_SECONDS
        while self.boot() in ("", before):
            assert time.monotonic() < deadline, "it is not back"
            time.sleep(2)
        lab("up", self.name)

    def boot(self) -> str:
        """Which boot this is; nothing while nobody gets in."""
        try:
            return self.out("cat /proc/sys/kernel/random/boot_id")
        except Exception:
            return ""

    def lose_power(self) -> None:
        """What it had not written is lost; `power_on` starts it again."""
        os.kill(self.pid, signal.SIGKILL)

    def power_on(self) -> None:
        lab("up", self.name)
        self.find()

    @property
    def shell(self) -> Any:
        return testinfra.get_host(
            f"paramiko://deploy@127.0.0.1:{self.port}"
            f"?sudo=true&ssh_identity_file={KEY}&timeout={LOGIN_SECONDS}"
        )

    def run(self, data: Mapping[str, Any] | None = None, *options: str, **more: Any) -> Run:
        """A run with the settings that all have, and `data`."""
        settings = {**SETTINGS, **(data or {})}
        return pyinfra(self.name, *options, data=settings, timeout=RUN_SECONDS, **more)

    def checks(self, folder: Path) -> dict[str, dict[str, str]]:
        """What verify finds, by name; all of it is well."""
        path = folder / "verify.json"
        run = self.run({"verify.json": str(path)}, playbook="playbooks/verify.py")
        results = json.loads(path.read_text())["hosts"][self.name]["checks"]
        assert run.status == 0, [check for check in results if check["status"] == "fail"]
        return {check["name"]: check for check in results}

    def is_well(self, folder: Path) -> None:
        """Everything runs, verify is content, and a run finds nothing to do."""
        assert self.out("systemctl --failed --no-legend --plain") == ""
        self.checks(folder)
        run = self.run()
        assert run.status == 0, run.stderr
        assert run.changed == []


@contextmanager
def converged(name: str, suite: str) -> Iterator[Machine]:
    """A new machine after its first run; kept at the end where GROUNDCREW_KEEP is set."""
    host = Machine(name, suite)
    try:
        host.up()
        host.first = host.run()
        assert host.first.status == 0, host.first.stderr
        yield host
    finally:
        if not os.environ.get("GROUNDCREW_KEEP"):
            host.down()
