"""Follows the statements of the project's modules."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from groundcrew.newapp.project import Project
from groundcrew.newapp.reading import statements
from groundcrew.newapp.reading.expressions import evaluate
from groundcrew.newapp.reading.values import (
    UNKNOWN,
    Dotted,
    Function,
    Imported,
    ModuleRef,
    Read,
)

STEPS = 600_000
"""Maximum number of expressions to evaluate; after that, everything is unknown. No source can make
this take long."""
STEPS_IN_CALL = 20_000
"""The same limit within one function call."""
DEPTH = 6
"""Maximum depth of nested function calls."""
BUILTINS = frozenset(("bool", "int", "float", "str", "list", "tuple", "set", "dict", "any", "open"))


@dataclass
class Frame:
    """The names visible in a block of code, and the variables that their values come from."""

    reader: Reader
    module: str
    names: dict[str, Any]
    origins: dict[str, frozenset[str]] = field(default_factory=dict)
    outer: Frame | None = None
    returned: list[Any] = field(default_factory=list)

    def evaluate(self, node: ast.expr | None) -> Any:
        """The value of an expression in this block."""
        return evaluate(node, self)

    def inside(self, names: dict[str, Any]) -> Frame:
        """A nested block."""
        return Frame(self.reader, self.module, names, outer=self)

    def look_up(self, name: str) -> Any:
        """The value of a name. The variables it comes from are added to `touched`."""
        frame: Frame | None = self
        while frame is not None:
            if name in frame.names:
                self.reader.touched |= frame.origins.get(name, frozenset())
                value = frame.names[name]
                return self.reader.resolved(value)
            frame = frame.outer
        if name == "BASE_DIR":
            # If the source leaves it open, assume the value in Django's project template.
            return PurePosixPath(self.reader.project.directory.resolve().as_posix())
        return Dotted(name) if name in BUILTINS else UNKNOWN


class Reader:
    """Evaluates modules of one project with one environment."""

    def __init__(self, project: Project, environment: Mapping[str, str] | None = None) -> None:
        self.project = project
        self.environment = dict(environment or {})
        self.settings: Mapping[str, Any] | None = None
        """Names of Django's settings, once they have been read."""
        self.touched: frozenset[str] = frozenset()
        self.reads: dict[str, Read] = {}
        """Variable -> its read, including the default."""
        self.demanded: dict[str, set[str]] = {}
        """Variable -> modules that cannot be imported without it."""
        self.either: list[tuple[str, ...]] = []
        """Groups of variables of which at least one must be set."""
        self.conditional = 0
        """Number of enclosing blocks that may be skipped."""
        self._doubt = 0
        self.made: dict[int, str] = {}
        """id() of a function's node -> what it returns, so that each is examined once."""
        self._frames: dict[str, Frame] = {}
        self._depth = 0
        self._steps = 0
        self._limit = STEPS
        self._current: list[str] = []

    def step(self) -> bool:
        """Counts an expression. Returns whether more are allowed."""
        self._steps += 1
        return self._steps < self._limit

    def read(self, name: str) -> Frame | None:
        """The top-level frame of a module; None if the project has no such module."""
        if name in self._frames:
            return self._frames[name]
        module = self.project.by_name.get(name)
        if module is None:
            return None
        file = PurePosixPath(self.project.directory.resolve().as_posix()) / module.path
        frame = Frame(self, name, {"__file__": file.as_posix(), "__name__": name})
        self._frames[name] = frame
        before = self.conditional, self._doubt, self._depth
        self.conditional = self._doubt = self._depth = 0
        self._current.append(name)
        statements.run(module.tree.body, frame)
        self._current.pop()
        self.conditional, self._doubt, self._depth = before
        return frame

    def member(self, module: str, name: str) -> Any:
        """The value of a name in a module of the project."""
        frame = self.read(module)
        # `from . import x` in a package binds the name to its own submodule.
        itself = frame is not None and frame.names.get(name) == Imported(module, name)
        if frame is not None and name in frame.names and not itself:
            self.touched |= frame.origins.get(name, frozenset())
            return self.resolved(frame.names[name])
        inner = f"{module}.{name}"
        return ModuleRef(inner) if inner in self.project.by_name else UNKNOWN

    def resolved(self, value: Any) -> Any:
        """The value that an imported name refers to."""
        for _ in range(10):
            if not isinstance(value, Imported):
                return value
            value = self.member(value.module, value.name)
        return UNKNOWN

    def note(self, read: Read) -> None:
        """Records that a variable was read."""
        self.touched |= {read.name}
        known = self.reads.get(read.name)
        if known is None or (known.default is UNKNOWN and read.default is not UNKNOWN):
            self.reads[read.name] = read

    def variable(self, read: Read) -> Any:
        """The value of a variable in this environment."""
        self.note(read)
        if read.name in self.environment:
            return self.environment[read.name]
        if read.demanded:
            self.demand({read.name})
            return UNKNOWN
        return read.default

    def demand(self, names: set[str] | frozenset[str]) -> None:
        """Records that the code fails without these variables, unless it may not be reached."""
        if self.conditional or self._doubt or not self._current:
            return
        for name in names:
            self.demanded.setdefault(name, set()).add(self._current[-1])

    def demand_one(self, names: set[str]) -> None:
        """Records that the code needs at least one of these variables."""
        if not self.conditional and not self._doubt:
            self.either.append(tuple(sorted(names)))

    @contextmanager
    def maybe(self) -> Iterator[None]:
        """Marks code that may not be reached."""
        self.conditional += 1
        yield
        self.conditional -= 1

    @contextmanager
    def watching(self) -> Iterator[set[str]]:
        """Collects the variables that values come from while the block runs."""
        before, self.touched = self.touched, frozenset()
        names: set[str] = set()
        yield names
        names |= self.touched
        self.touched = before | self.touched

    @contextmanager
    def at(self, module: str) -> Iterator[None]:
        """Marks code that runs when this module is imported."""
        self._current.append(module)
        yield
        self._current.pop()

    def bind(self, node: ast.Import | ast.ImportFrom, frame: Frame) -> None:
        """Binds the names of an import statement in a block."""
        statements.run([node], frame)

    def inline(self, function: Function, arguments: list[Any], given: dict[str, Any]) -> Any:
        """The return value of a function of the project for these arguments."""
        outer = self.read(function.module)
        if self._depth >= DEPTH or outer is None:
            return UNKNOWN
        names = statements.bound(function, arguments, given, outer)
        frame = Frame(self, function.module, names, outer=outer)
        before = self.conditional, self._doubt
        self.conditional, self._doubt = 0, self._doubt + self.conditional
        if not self._depth:
            self._limit = min(STEPS, self._steps + STEPS_IN_CALL)
        self._depth += 1
        statements.run(function.node.body, frame)
        self._depth -= 1
        if not self._depth:
            self._limit = STEPS
        self.conditional, self._doubt = before
        return frame.returned[0] if frame.returned else UNKNOWN
