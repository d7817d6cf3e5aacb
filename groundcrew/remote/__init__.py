"""Programs that run on a managed host; Python standard library only, Python 3.9 or later."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from pyinfra.api import QuoteString, StringCommand

_IMPORT = re.compile(r"^from groundcrew\.remote\.(\w+) import ", re.MULTILINE)
_LOADER = """\
import linecache, sys, types
for _name in ("groundcrew", "groundcrew.remote"):
    sys.modules.setdefault(_name, types.ModuleType(_name))
def _run(name, text, namespace):
    file = "groundcrew/remote/%s.py" % name
    linecache.cache[file] = (len(text), None, text.splitlines(True), file)
    exec(compile(text, file, "exec", dont_inherit=True), namespace)
for _name, _text in {modules!r}:
    _full = "groundcrew.remote." + _name
    _module = sys.modules[_full] = types.ModuleType(_full)
    _run(_name, _text, _module.__dict__)
_run({program!r}, {text!r}, globals())
"""


@cache
def source(program: str) -> str:
    """The text of a program that runs `groundcrew/remote/PROGRAM.py` on a host.

    The host has only what is sent: modules of this package that it imports come with it, each under
    its own name.
    """
    modules = [(name, _text(name)) for name in _needed(program)]
    return _LOADER.format(modules=modules, program=program, text=_text(program))


def _needed(program: str) -> list[str]:
    """The modules that a program imports and those that they import, each before who needs it."""
    found: list[str] = []
    for name in _IMPORT.findall(_text(program)):
        found += [other for other in (*_needed(name), name) if other not in found]
    return found


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
