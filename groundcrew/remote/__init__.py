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
    """The text of `groundcrew/remote/PROGRAM.py`, with the modules of this package that it and they
    import in place of the first import: the host has only what is sent."""
    sent = {program}

    def part(found: re.Match[str]) -> str:
        module = found[1]
        if module in sent:
            return ""
        sent.add(module)
        # Legal only at the top, where the program has its own.
        text = _text(module).replace("from __future__ import annotations\n", "")
        return _IMPORT.sub(part, text)

    return _IMPORT.sub(part, _text(program))


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
