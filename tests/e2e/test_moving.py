"""An application with local data moves as docs/howto/move-an-application.md says."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.e2e.harness import FULL, INVENTORY, LabHost, Run, good, inside, pyinfra
from tests.e2e.test_backup import (  # noqa: F401 - fixtures
    APP,
    DIRECTORY,
    DOMAIN,
    chat,
    conversations,
    data,
    host,
    inventory,
    store,
)

pytestmark = pytest.mark.skipif(not FULL, reason="bin/test --full")


@dataclass
class Move:
    """The hosts, and what visitors see."""

    old: LabHost
    new: LabHost
    balancer: LabHost | None
    inventory: Path
    data: dict[str, Any]

    @property
    def added(self) -> list[LabHost]:
        """The hosts that are there for the move alone."""
        return [self.new, *([self.balancer] if self.balancer else [])]

    def write(self, *apps: LabHost, idle: LabHost | None = None) -> None:
        """Writes the inventory: `apps` are the hosts that have the application."""
        more: dict[str, Any] = {
            item.name: {"apps": [APP], "idle": item is idle} if item in apps else {}
            for item in (self.old, *(one for one in apps if one is not self.old))
        }
        if self.balancer:
            more[self.balancer.name] = {}
        self.inventory.write_text(INVENTORY.format(more=more))

    def run(self, name: str, *hosts: LabHost, **more: Any) -> Run:
        """Runs deploy.py or a playbook on hosts."""
        file = name if name == "deploy.py" else f"playbooks/{name}.py"
        limit = ",".join(item.name for item in hosts)
        given = {key: value for key, value in self.data.items() if key != "apps"}
        return good(pyinfra(limit, data=given | more, inventory=self.inventory, playbook=file))

    def copy(self) -> None:
        """A backup of the old host, restored on the new one."""
        self.run("backup", self.old)
        more = {"app": APP, "restore": APP, "of_host": self.old.name, "target": "store"}
        self.run("restore", self.new, **more)

    def status(self) -> int:
        """What a visitor gets whose address is the balancer's or the new host's."""
        front = self.balancer or self.new
        url = f"http://{front.address}/v1/models"
        return requests.get(url, headers={"Host": DOMAIN}, timeout=5).status_code

    def until_served(self) -> None:
        """Waits until a balancer has noticed that the new host serves."""
        deadline = time.monotonic() + 10
        while self.status() != 200:
            assert self.balancer
            assert time.monotonic() < deadline
            time.sleep(0.1)


@pytest.mark.parametrize("balanced", [False, True])
def test_an_application_moves_with_its_data(
    host: LabHost,  # noqa: F811
    data: dict[str, Any],  # noqa: F811
    tmp_path: Path,
    balanced: bool,
) -> None:
    balancer = LabHost("e2e-moved-lb", "bookworm", group="lb") if balanced else None
    new = LabHost("e2e-moved", "bookworm")
    move = Move(host, new, balancer, tmp_path / "inventory.py", data)
    LabHost.together(move.added, LabHost.up)
    try:
        for other in move.added:
            inside(other, f"mkdir {DIRECTORY}")
        if balancer:
            move.write(host)
            move.run("deploy.py", host, balancer)
            assert move.status() == 200
        rehearse(move)
        go_over(move)
        if balancer:
            take_away(move)
            return
    finally:
        if not os.environ.get("GROUNDCREW_KEEP"):
            LabHost.together(move.added, LabHost.down)
    move.write(host)
    move.run("start", host, app=APP)
    move.run("deploy.py", host)


def rehearse(move: Move) -> None:
    """Steps 1 and 2: the old host goes on serving."""
    written = move.balancer or move.old
    before = f"before the move, {move.balancer is not None}"
    chat(written, before)
    move.write(move.old, move.new, idle=move.new)
    move.run("deploy.py", move.new, prepare="yes")
    move.copy()
    move.run("deploy.py", move.old, *move.added)
    chat(written, "after the rehearsal")
    assert move.status() == (200 if move.balancer else 503)
    assert before in conversations(move.new)


def go_over(move: Move) -> None:
    """Steps 3 and 4: the new host serves, with all data and secrets."""
    old, new = move.old, move.new
    move.write(old, new, idle=old)
    began = time.monotonic()
    move.run("stop", old, app=APP)
    assert move.status() == 503
    move.copy()
    move.run("start", new, app=APP)
    move.until_served()
    seconds = time.monotonic() - began
    print(f"visitors saw the maintenance page for {seconds:.0f} s at most")
    assert seconds < 120
    assert conversations(new) == conversations(old)
    assert "after the rehearsal" in conversations(new)
    move.run("deploy.py", old, *move.added)
    assert move.run("deploy.py", old, *move.added).changed == []
    # The release has the secret of the old host, and its data is still there.
    secret = inside(old, f"cat /srv/{APP}/secrets/SESSION_KEY.1")
    release = f"/srv/{APP}/releases/{new.live(APP)}"
    assert inside(new, f"cat /srv/{APP}/secrets/SESSION_KEY.1") == secret
    assert f"SESSION_KEY={secret.strip()}" in inside(new, f"cat {release}/env").replace('"', "")
    chat(move.balancer or new, "the first one there")
    assert "the first one there" in conversations(new)


def take_away(move: Move) -> None:
    """Step 5: the old host has nothing of it any more."""
    move.write(move.new)
    move.run("deploy.py", move.old, *move.added)
    assert move.status() == 200
    move.run("remove", move.old, app=APP)
    assert inside(move.old, f"ls -d /srv/{APP}/releases 2>/dev/null || true") == ""
    assert move.status() == 200
    assert move.run("deploy.py", move.old, *move.added).changed == []
