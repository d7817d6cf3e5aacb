"""Calls the functions of a role's backup module on a lab host."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pyinfra.api.inventory import Inventory

from groundcrew.contract import BackupSource
from groundcrew.roles.settings import HostSettings
from groundcrew.settings import load_all
from tests.e2e.harness import ROOT, LabHost, inside

PLACE = "/root/groundcrew-test"
RESTORED = "/root/restored"
NAMESPACE = "scratch"
DRIVER = """\
import importlib, json, sys
from groundcrew.remote.backup_source import Scratch
asked = json.load(sys.stdin)
values = [Scratch(**item) if isinstance(item, dict) else item for item in asked["values"]]
module = importlib.import_module(asked["module"])
try:
    told = getattr(module, asked["function"])(asked["request"], *values)
    print(json.dumps({"result": told}))
except Exception as error:
    print(json.dumps({"error": str(error)}))
"""


class FailedError(Exception):
    """The function failed; the message is its own."""


def sources(host: LabHost, data: Mapping[str, Any]) -> dict[str, BackupSource]:
    """What the roles of a host bring for backups, by title."""
    names = host.group.split(",")
    own = {"address": host.address, **data}
    inventory = Inventory(([(host.name, own)], {}), **{name: ([host.name], {}) for name in names})  # type: ignore[no-untyped-call]
    settings = load_all(inventory, HostSettings, ROOT)[host.name].settings
    return {item.title: item for item in settings.brought.backups}


@dataclass
class Source:
    """The backup module of one role, on a host."""

    host: LabHost
    source: BackupSource
    content: dict[str, Any] = field(default_factory=dict)

    def scratch(self) -> dict[str, str]:
        folder = f"/var/lib/groundcrew/backups/scratch-{self.source.title}"
        return {"folder": folder, "name": f"test-{self.source.title}", "slice": "scratch.slice",
                "namespace": f"/run/netns/{NAMESPACE}"}  # fmt: skip

    def call(self, function: str, *values: Any) -> Any:
        """What the function returns. Raises FailedError."""
        asked = {"module": self.source.module, "function": function,
                 "request": dict(self.source.request), "values": values}  # fmt: skip
        command = f"cd {PLACE} && PYTHONPATH=. python3 -B driver.py"
        told = json.loads(inside(self.host, command, json.dumps(asked)).splitlines()[-1])
        if "error" in told:
            raise FailedError(told["error"])
        return told["result"]

    def save(self, kind: str) -> tuple[list[str], float]:
        paths, until, self.content = self.call("save", kind)
        return paths, until

    def open(self, at: float | None = None) -> dict[str, Any]:
        binds, until, version = self.call("open_scratch", RESTORED, self.scratch(), at)
        return {"binds": binds, "until": until, "version": version}

    def close(self) -> None:
        self.call("close_scratch", self.scratch())

    def put_back(self, app: str, mark: str) -> list[str]:
        lines: list[str] = self.call("put_back", app, self.scratch(), mark)
        return lines

    def forget(self, app: str, mark: str) -> None:
        self.call("forget", app, mark)

    def start(self, function: str, *values: Any) -> None:
        """Calls a function in the background, as `driver.py`."""
        asked = {"module": self.source.module, "function": function,
                 "request": dict(self.source.request), "values": values}  # fmt: skip
        inside(self.host, f"cat > {PLACE}/asked.json", json.dumps(asked))
        command = "PYTHONPATH=. python3 -B driver.py < asked.json > /dev/null 2>&1"
        inside(self.host, f"cd {PLACE} && ({command} &)")

    def restore(self) -> None:
        """Brings the current copies to where restored ones would be."""
        inside(self.host, f"rm -rf {RESTORED} && mkdir -m 700 {RESTORED} && "
               f"cp -a --parents /var/lib/groundcrew/backups/copies {RESTORED}/")  # fmt: skip


def prepare(host: LabHost) -> None:
    """Brings the modules to the host, and makes what the engine of backups makes."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:

        def add(name: str, data: bytes) -> None:
            entry = tarfile.TarInfo(f".{PLACE}/{name}")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))

        for path in (*ROOT.glob("groundcrew/remote/*.py"), *ROOT.glob("roles/*/on_host*.py")):
            name = str(path.relative_to(ROOT))
            inner = name if name.startswith("groundcrew/") else f"groundcrew/{name}"
            if path.name != "__init__.py":
                add(inner, path.read_bytes())
        add("driver.py", DRIVER.encode())
    subprocess.run(
        ["docker", "exec", "-i", host.container, "tar", "-xf", "-", "-C", "/"],
        input=content.getvalue(), check=True, capture_output=True,
    )  # fmt: skip
    inside(host, f"ip netns add {NAMESPACE} && ip -n {NAMESPACE} link set lo up && "
           "mkdir -p /var/lib/groundcrew/backups/scratch-mariadb "
           "/var/lib/groundcrew/backups/scratch-redis "
           "/var/lib/groundcrew/backups/scratch-mongodb && chmod 755 /var/lib/groundcrew/backups "
           "/var/lib/groundcrew/backups/scratch-*")  # fmt: skip
