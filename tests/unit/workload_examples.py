"""Workloads for tests of orchestrators."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from groundcrew.orchestrators.workload import Workload
from groundcrew.roles.settings import HostSettings
from groundcrew.roles.workloads import workload
from groundcrew.settings.load import load_host
from groundcrew.settings.merge import Layer

ROOT = Path(__file__).resolve().parents[2]
FIVE = ["ragflow-like", "opendify-like", "agentchat-like", "legacypi-like", "ragagent-like"]


def settings(project: Path, name: str = "shop", **host: Any) -> HostSettings:
    """The settings of a host with one application."""
    loaded, problems = load_host(
        [Layer("test", {"apps": [name], **host})], HostSettings, project, frozenset()
    )
    assert loaded, problems
    return loaded.settings


def example(name: str, *, beside_proxy: bool) -> Workload:
    """The workload of an example of the project."""
    return workload(name, settings(ROOT, name), ROOT, beside_proxy=beside_proxy)


def made(folder: Path, *, beside_proxy: bool = True, **changes: Any) -> Workload:
    """The workload of a small application."""
    (folder / "apps").mkdir(parents=True)
    (folder / "src").mkdir()
    manifest = {"source": {"directory": "src"}, "entry": "shop:app", "requirements": False}
    (folder / "apps/shop.yml").write_text(yaml.safe_dump({**manifest, **changes}))
    return workload("shop", settings(folder), folder, beside_proxy=beside_proxy)
