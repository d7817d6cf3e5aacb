"""Programs that run on a managed host; Python standard library only, Python 3.9 or later."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from pyinfra.api import QuoteString, StringCommand

_IMPORT = re.compile(r"^from groundcrew\.remote\.(\w+) import (?:\([^)]*\)|.*)\n", re.MULTILINE)


@cache
def source(program: str) -> str:
    """The text of `groundcrew/remote/PROGRAM.py`, with the modules of this package that it imports
    in place of the import: the host has only what is sent."""
    return _IMPORT.sub(lambda found: _part(found[1]), _text(program))


def _part(module: str) -> str:
    # Legal only at the top, where the program has its own.
    return _text(module).replace("from __future__ import annotations\n", "")


def _text(module: str) -> str:
    return (Path(__file__).parent / f"{module}.py").read_text(encoding="utf-8")


def command(program: str, *arguments: str, payload: Any = None) -> StringCommand:
    """Runs a program of this package on a host in one round trip.

    `arguments` are seen by every user of the host (argv), `payload` (JSON on stdin) by none.
    `-I -S` keep the host's environment and site packages out, which also starts faster.
    """
    bits = ["python3", "-ISc", QuoteString(source(program))]
    bits += [QuoteString(argument) for argument in arguments]
    if payload is None:
        return StringCommand(*bits)
    return StringCommand(*bits, _stdin=json.dumps(payload))
