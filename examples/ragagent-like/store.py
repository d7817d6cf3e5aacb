"""The index: one file that a single writer replaces and any number of processes read."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

FOLDER = Path("index")
INBOX = FOLDER / "inbox"
INDEX = FOLDER / "index.json"

Index = dict[str, Any]
EMPTY: Index = {"documents": {}, "writer": None, "version": 0}


def read() -> Index:
    """The index as it is now. A replaced file is never seen half written."""
    try:
        index: Index = json.loads(INDEX.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return EMPTY
    return index


def write(index: Index) -> None:
    """Replaces the index."""
    partial = INDEX.with_suffix(f".{os.getpid()}")
    partial.write_text(json.dumps(index), encoding="utf-8")
    partial.replace(INDEX)
