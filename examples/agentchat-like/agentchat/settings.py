"""The one file that the application reads, relative to its working directory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

PATH = Path("agentchat/config.yaml")


def load() -> dict[str, Any]:
    """The settings. Fails where the file is missing or lacks a key."""
    settings: dict[str, Any] = yaml.safe_load(PATH.read_text(encoding="utf-8"))
    if not settings["database"]["password"]:
        raise ValueError(f"{PATH}: database.password is empty")
    return settings
