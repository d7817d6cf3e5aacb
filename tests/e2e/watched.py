"""A host with an application and a database, and the host that monitors it, for tests of alerts."""

from __future__ import annotations

import functools
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e.drills import PROGRAM as BACKUP
from tests.e2e.harness import INVENTORY, LabHost, Run, good, inside, pyinfra, until
from tests.e2e.inbox import Inbox, seen, served

PROGRAM = f"python3 -IS {BACKUP}"
DIRECTORY = "/mnt/backups"
RECEIVERS = {"test": {"type": "webhook", "url": {"env": "TEST_WEBHOOK"}}}


@dataclass
class Site:
    """A host with an application and a database that is backed up, and the host that monitors it
    and has the database's replica."""

    web: LabHost
    monitor: LabHost
    inventory: Path
    data: Mapping[str, Any] = field(default_factory=dict)
    inbox: Inbox = field(default_factory=Inbox)
    url: str = ""

    def run(self, *options: str, playbook: str = "deploy.py", limit: str = "", **data: Any) -> Run:
        if playbook == "deploy.py":
            # verify wants a young backup. One may be being made by the timer.
            for host in (self.web, self.monitor):
                inside(host, f"! test -e {BACKUP} || {PROGRAM} run logs || true")
        return pyinfra(
            limit or f"{self.web.name},{self.monitor.name}",
            *options,
            data={"monitoring.receivers": RECEIVERS, **self.data, **data},
            playbook=playbook,
            inventory=self.inventory,
            env={"TEST_WEBHOOK": self.url},
        )

    def fires(
        self,
        name: str,
        begin: Callable[[], object],
        end: Callable[[], object],
        patience: float = 90,
        end_within: float = 120,
    ) -> dict[str, Any]:
        """Makes an alert true, waits until it has come, ends what it is about, and waits until that
        has come too. Returns the alert."""
        before = len(self.inbox.alerts(name)), len(self.inbox.alerts(name, "resolved"))
        began = time.monotonic()
        try:
            begin()
            until(lambda: len(self.inbox.alerts(name)) > before[0], patience)
            seen(name, time.monotonic() - began)
        finally:
            ended = time.monotonic()
            end()
        until(lambda: len(self.inbox.alerts(name, "resolved")) > before[1], end_within)
        seen(f"{name}: its end", time.monotonic() - ended)
        alert: dict[str, Any] = self.inbox.alerts(name)[-1]
        return alert

    def ask(self, path: str) -> Any:
        """What Prometheus answers on its own host."""
        program = (
            "import sys, urllib.request as r; "
            "print(r.urlopen('http://127.0.0.1:9090/api/v1/' + sys.argv[1]).read().decode())"
        )
        return json.loads(inside(self.monitor, f'python3 -c "{program}" "{path}"'))["data"]

    def on_web(self, command: str) -> Callable[[], object]:
        """Runs a command there."""
        return functools.partial(inside, self.web, command)

    def on_monitor(self, command: str) -> Callable[[], object]:
        return functools.partial(inside, self.monitor, command)


@contextmanager
def watched(
    web: LabHost,
    monitor: LabHost,
    folder: Path,
    more: Mapping[str, Mapping[str, Any]],
    data: Mapping[str, Any],
) -> Iterator[Site]:
    """Both hosts, after their first run. `more` has settings of each."""
    hosts = (web, monitor)
    inventory = folder / "inventory.py"
    inventory.write_text(INVENTORY.format(more=more))
    LabHost.together(hosts, LabHost.up)
    for host in hosts:
        inside(host, f"mkdir {DIRECTORY}")
    try:
        site = Site(*hosts, inventory, data)
        with served(site.inbox, monitor) as site.url:
            good(site.run())
            yield site
    finally:
        if not os.environ.get("GROUNDCREW_KEEP"):
            LabHost.together(hosts, LabHost.down)
