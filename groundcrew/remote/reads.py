"""Reads the sections that roles request on a host."""

from __future__ import annotations

import importlib
from typing import Any

Data = dict[str, Any]


def read_all(wanted: list[Data], report: Data) -> None:
    """Stores each section in `report` under its name; one that could not be read is {"error":
    reason}.

    `wanted` is [{"module": dotted name, "sections": [function], "last": [function], "request":
    data}]; all `last` sections are read after the others.
    """
    for kind in ("sections", "last"):
        for item in wanted:
            for section in item[kind]:
                report[section] = read(item["module"], section, item["request"])


def read(module: str, section: str, request: Data) -> Any:
    """Reads one section; {"error": reason} if it cannot be read."""
    try:
        return getattr(importlib.import_module(module), section)(request)
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}
