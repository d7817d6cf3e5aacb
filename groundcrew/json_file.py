"""Writes JSON on the operator's machine: to files, or to standard output."""

from __future__ import annotations

import atexit
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

STANDARD_OUTPUT = "-"
_printed: dict[str, Any] = {}


def replace(path: str, data: Any) -> None:
    """Replaces the file at `path` atomically, so that it is valid JSON at any moment; `-` is
    standard output, which gets the last data at the end of the run. Raises OSError if it cannot be
    written."""
    if path == STANDARD_OUTPUT:
        if not _printed:
            atexit.register(_print)
        _printed[path] = data
        return
    target = Path(path).expanduser()
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, staged = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(_text(data))
        Path(staged).chmod(0o644)
        Path(staged).replace(target)
    except BaseException:
        Path(staged).unlink(missing_ok=True)
        raise


def _text(data: Any) -> str:
    return json.dumps(data, indent=2, sort_keys=True) + "\n"


def _print() -> None:
    sys.stdout.write(_text(_printed[STANDARD_OUTPUT]))
    sys.stdout.flush()
