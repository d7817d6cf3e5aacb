"""The host with the five examples, and a sixth application that bin/new-app has described."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.harness import ROOT, LabHost, converged

FIVE = ["ragflow-like", "opendify-like", "agentchat-like", "legacypi-like", "ragagent-like"]
WRITTEN = "written"
"""An application whose manifest bin/new-app writes, from the source of one of the examples."""
DATA: dict[str, Any] = {
    "apps": [*FIVE, WRITTEN],
    **{f"app.{name}.release.check_window": 1 for name in [*FIVE, WRITTEN]},
}
GROUPS = "web,postgresql,mariadb,redis"


def manifest(name: str) -> dict[str, Any]:
    """The manifest of an example."""
    return yaml.safe_load((ROOT / "apps" / f"{name}.yml").read_text(encoding="utf-8"))


def inventory_of(folder: Path, name: str) -> Path:
    """An inventory of one host alone: `--data` is for all hosts of an inventory, and others of the
    lab would need this one's databases too."""
    path = folder / "inventory.py"
    path.write_text(
        "from groundcrew.lab import inventory as _lab\n"
        "for _group, _hosts in _lab.running().items():\n"
        f'    globals()[_group] = [item for item in _hosts if item[0] == "{name}"]\n'
    )
    return path


@pytest.fixture(scope="session")
def examples_inventory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The inventory of the host with the examples."""
    return inventory_of(tmp_path_factory.mktemp("examples"), "e2e-apps")


@pytest.fixture(scope="session")
def examples(examples_inventory: Path) -> Iterator[LabHost]:
    """The host with the examples, after its first run."""
    target = ROOT / "apps" / f"{WRITTEN}.yml"
    command = [ROOT / "bin/new-app", "examples/ragagent-like", WRITTEN, "--force"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    try:
        with converged("e2e-apps", "bookworm", DATA, GROUPS, examples_inventory) as host:
            yield host
    finally:
        target.unlink()
