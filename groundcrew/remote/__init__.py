"""Programs that run on a managed host; Python standard library only, Python 3.9 or later."""

from __future__ import annotations

import base64
import importlib.util
import json
import re
import zlib
from functools import cache
from pathlib import Path
from typing import Any

from pyinfra.api import QuoteString, StringCommand

_IMPORT = re.compile(r"^from (groundcrew\.(?:remote|roles\.\w+)\.\w+) import ", re.MULTILINE)
_LOADER = """\
import linecache, sys, types
def _run(name, text, namespace):
    file = name.replace(".", "/") + ".py"
    linecache.cache[file] = (len(text), None, text.splitlines(True), file)
    exec(compile(text, file, "exec", dont_inherit=True), namespace)
for _name, _text in {modules!r}:
    _parts = _name.split(".")
    for _end in range(1, len(_parts)):
        _above = ".".join(_parts[:_end])
        sys.modules.setdefault(_above, types.ModuleType(_above))
    _module = sys.modules[_name] = types.ModuleType(_name)
    _run(_name, _text, _module.__dict__)
_run({program!r}, {text!r}, globals())
"""


@cache
def source(program: str, *modules: str) -> str:
    """The text of a program that runs `groundcrew/remote/PROGRAM.py` on a host.

    The host has only what is sent to it. The modules of this package that the program imports are
    included under their own names, as are `modules` (dotted names), which the program imports by
    name. Those of a role may import others of their role, by `from groundcrew.roles.ROLE.MODULE
    import`.
    """
    main = module_of(program)
    texts = [(name, text_of(name)) for name in needed_by(program, *modules)]
    return _LOADER.format(modules=texts, program=main, text=text_of(main))


def module_of(program: str) -> str:
    """The name of a program's module."""
    return f"{__name__}.{program}"


def needed_by(program: str, *modules: str) -> list[str]:
    """The modules that are sent with a program, each before those that need it."""
    main = module_of(program)
    sent: list[str] = []
    for name in (*modules, main):
        sent += [other for other in (*_needed(name), name) if other not in (*sent, main)]
    return sent


def _needed(module: str) -> list[str]:
    """The modules that a module imports, recursively, each before those that need it."""
    modules: list[str] = []
    for name in _IMPORT.findall(text_of(module)):
        modules += [other for other in (*_needed(name), name) if other not in modules]
    return modules


@cache
def text_of(module: str) -> str:
    """The text of a module, located as an import would locate it, but not executed."""
    package, _, name = module.rpartition(".")
    if package == __name__:
        path = Path(__file__).parent / f"{name}.py"
    else:
        spec = importlib.util.find_spec(module)
        if spec is None or spec.origin is None:
            raise ModuleNotFoundError(f"no module named {module}")
        path = Path(spec.origin)
    return path.read_text(encoding="utf-8")


LONGEST = 1 << 16
"""Longest text of a program that is sent as it is. Linux allows 128 KiB for one argument."""


@cache
def _short(program: str) -> str:
    """A program that runs a program, which is compressed if it is long."""
    if len(program.encode()) <= LONGEST:
        return program
    packed = base64.b85encode(zlib.compress(program.encode(), 9)).decode("ascii")
    return f"import base64, zlib\nexec(zlib.decompress(base64.b85decode({packed!r})))\n"


def script(program: str, *modules: str) -> str:
    """The text of a program as it is sent: short enough for one argument."""
    return _short(source(program, *modules))


class Program(StringCommand):
    """A command that runs a program of this package, and what it consists of."""

    def __init__(
        self,
        *bits: str | QuoteString,
        program: str,
        modules: tuple[str, ...],
        arguments: tuple[str, ...],
        payload: Any = None,
        steady: bool = False,
        joint: bool = False,
    ) -> None:
        super().__init__(*bits)
        if payload is not None:
            self.connector_arguments["_stdin"] = json.dumps(payload)
        self.program = program
        self.modules = modules
        self.arguments = arguments
        self.has_input = payload is not None
        self.steady = steady
        self.joint = joint


def command(
    program: str,
    *arguments: str,
    payload: Any = None,
    modules: tuple[str, ...] = (),
    steady: bool = False,
    joint: bool = False,
) -> Program:
    """Runs a program of this package on a host in one round trip.

    Every user of the host can see `arguments` (argv), but not `payload` (JSON on stdin). `modules`
    are sent in addition to those that the program imports. `steady`: one report is good enough for
    all operations, until the run changes something. `joint`: its only argument is a request, which
    it answers by a line; it can be asked several at once. `-I -S` isolate the program from the
    host's environment and site packages, and make it start faster.
    """
    if joint and (len(arguments) != 1 or payload is not None):
        raise ValueError(f"{program}: a joint program takes one argument")
    bits: list[str | QuoteString] = ["python3", "-ISc", QuoteString(script(program, *modules))]
    bits += [QuoteString(argument) for argument in arguments]
    return Program(
        *bits,
        program=program,
        modules=modules,
        arguments=arguments,
        payload=payload,
        steady=steady,
        joint=joint,
    )
