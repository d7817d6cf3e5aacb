"""A project directory to try settings in, without any host."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pyinfra.api.inventory import Inventory

from groundcrew.roles.settings import HostSettings
from groundcrew.settings import Loaded, SettingsError, load_all

SHOP = """\
source: {directory: src}
entry: shop:app
domains: [shop.test]
"""


class Project:
    """Manifests, group data and an inventory, as pyinfra would hand them over."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("apps", "group_data", "src"):
            (root / name).mkdir()
        self.write("src/shop.py", "app = None\n")
        self.all: dict[str, Any] = {}
        self.groups: dict[str, dict[str, Any]] = {"web": {}}
        self.hosts: dict[str, tuple[list[str], dict[str, Any]]] = {"web1": (["web"], {})}
        self.data: dict[str, Any] = {}

    def write(self, path: str, text: str | bytes) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        content = textwrap.dedent(text).encode() if isinstance(text, str) else text
        file.write_bytes(content)
        return file

    def app(self, name: str = "shop", more: str = "", text: str | None = None) -> None:
        """A manifest, on every host of the group web."""
        self.write(f"apps/{name}.yml", text if text is not None else SHOP + more)
        self.groups["web"].setdefault("apps", []).append(name)

    def inventory(self) -> Inventory:
        groups: dict[str, tuple[list[Any], Mapping[str, Any]]] = {
            name: (
                [(host, data) for host, (own, data) in self.hosts.items() if name in own],
                values,
            )
            for name, values in self.groups.items()
        }
        for own, _ in self.hosts.values():
            for name in own:
                groups.setdefault(
                    name, ([host for host, (in_, _) in self.hosts.items() if name in in_], {})
                )
        names = [(host, data) for host, (_, data) in self.hosts.items()]
        return Inventory((names, self.all), override_data=self.data, **groups)

    def load(self) -> dict[str, Loaded[HostSettings]]:
        return load_all(self.inventory(), HostSettings, self.root)

    def settings(self, host: str = "web1") -> HostSettings:
        return self.load()[host].settings

    def errors(self) -> list[tuple[str, str, str]]:
        """Layer, key and message of every error."""
        with pytest.raises(SettingsError) as caught:
            self.load()
        return [(item.layer, item.key, item.message) for item in caught.value.problems]

    def error(self) -> tuple[str, str, str]:
        """The only error."""
        [only] = self.errors()
        return only
