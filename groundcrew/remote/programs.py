"""Runs modules that came as text, for processes that run many programs."""

from __future__ import annotations

import linecache
import sys
import types


def compiled(name: str, text: str) -> types.CodeType:
    """A module's code. Tracebacks show its lines."""
    file = name.replace(".", "/") + ".py"
    linecache.cache[file] = (len(text), None, text.splitlines(True), file)
    return compile(text, file, "exec", dont_inherit=True)


def load(name: str, code: types.CodeType) -> None:
    """Makes a module importable by its name, anew."""
    parts = name.split(".")
    for end in range(1, len(parts)):
        above = ".".join(parts[:end])
        sys.modules.setdefault(above, types.ModuleType(above))
    module = sys.modules[name] = types.ModuleType(name)
    exec(code, module.__dict__)  # noqa: S102 - it came from the operator
