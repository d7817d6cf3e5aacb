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
"""Expressions that are looked at before everything else stays unknown: no source can make this
take long."""
STEPS_IN_CALL = 20_000
"""The same within one call of a function."""
DEPTH = 6
"""Functions within functions that are followed."""
BUILTINS = frozenset(("bool", "int", "float", "str", "list", "tuple", "set", "dict", "any", "open"))


@dataclass
class Frame:
    """The names that a block of code sees, and which variables they come from."""

    reader: Reader
    module: str
    names: dict[str, Any]
    origins: dict[str, frozenset[str]] = field(default_factory=dict)
    outer: Frame | None = None
    returned: list[Any] = field(default_factory=list)

    def evaluate(self, node: ast.expr | None) -> Any:
        """What an expression gives here."""
        return evaluate(node, self)

    def inside(self, names: dict[str, Any]) -> Frame:
        """A block within this one."""
        return Frame(self.reader, self.module, names, outer=self)

    def look_up(self, name: str) -> Any:
        """A name's value; what it was made of counts as read again."""
        frame: Frame | None = self
        while frame is not None:
            if name in frame.names:
                self.reader.touched |= frame.origins.get(name, frozenset())
                value = frame.names[name]
                return self.reader.resolved(value)
            frame = frame.outer
        if name == "BASE_DIR":
            # Where the source leaves it open, it is what Django's own template makes of it.
            return PurePosixPath(self.reader.project.directory.resolve().as_posix())
        return Dotted(name) if name in BUILTINS else UNKNOWN


class Reader:
    """Reads modules of one project with one environment."""

    def __init__(self, project: Project, environment: Mapping[str, str] | None = None) -> None:
        self.project = project
        self.environment = dict(environment or {})
        self.settings: Mapping[str, Any] | None = None
        """Names of Django's settings, where they have been read."""
        self.touched: frozenset[str] = frozenset()
        self.reads: dict[str, Read] = {}
        """Every variable that was read, with what stands in for it."""
        self.demanded: dict[str, set[str]] = {}
        """Variable -> modules that cannot be imported without it."""
        self.either: list[tuple[str, ...]] = []
        """Variables of which it needs one or more."""
        self.conditional = 0
        """How many blocks around may be passed over."""
        self._doubt = 0
        self.made: dict[int, str] = {}
        """What functions give back, by the identity of their nodes; each is looked into once."""
        self._frames: dict[str, Frame] = {}
        self._depth = 0
        self._steps = 0
        self._limit = STEPS
        self._current: list[str] = []

    def step(self) -> bool:
        """Counts an expression; whether there may be another."""
        self._steps += 1
        return self._steps < self._limit

    def read(self, name: str) -> Frame | None:
        """A module's top level; nothing where the project has no such module."""
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
        """What a module of the project has under a name."""
        frame = self.read(module)
        # `from . import x` in a package gives it the name of its own module.
        itself = frame is not None and frame.names.get(name) == Imported(module, name)
        if frame is not None and name in frame.names and not itself:
            self.touched |= frame.origins.get(name, frozenset())
            return self.resolved(frame.names[name])
        inner = f"{module}.{name}"
        return ModuleRef(inner) if inner in self.project.by_name else UNKNOWN

    def resolved(self, value: Any) -> Any:
        """What an imported name stands for."""
        for _ in range(10):
            if not isinstance(value, Imported):
                return value
            value = self.member(value.module, value.name)
        return UNKNOWN

    def note(self, read: Read) -> None:
        """Remembers that a variable was read."""
        self.touched |= {read.name}
        known = self.reads.get(read.name)
        if known is None or (known.default is UNKNOWN and read.default is not UNKNOWN):
            self.reads[read.name] = read

    def variable(self, read: Read) -> Any:
        """A variable's value in this environment."""
        self.note(read)
        if read.name in self.environment:
            return self.environment[read.name]
        if read.demanded:
            self.demand({read.name})
            return UNKNOWN
        return read.default

    def demand(self, names: set[str] | frozenset[str]) -> None:
        """Remembers that the code cannot go on without these, unless it may never get there."""
        if self.conditional or self._doubt or not self._current:
            return
        for name in names:
            self.demanded.setdefault(name, set()).add(self._current[-1])

    def demand_one(self, names: set[str]) -> None:
        """Remembers that the code goes on with one or more of these, whichever."""
        if not self.conditional and not self._doubt:
            self.either.append(tuple(sorted(names)))

    @contextmanager
    def maybe(self) -> Iterator[None]:
        """Code that may not be reached."""
        self.conditional += 1
        yield
        self.conditional -= 1

    @contextmanager
    def watching(self) -> Iterator[set[str]]:
        """Collects the variables that what is evaluated within comes from."""
        before, self.touched = self.touched, frozenset()
        found: set[str] = set()
        yield found
        found |= self.touched
        self.touched = before | self.touched

    @contextmanager
    def at(self, module: str) -> Iterator[None]:
        """Code that is run once this module is imported."""
        self._current.append(module)
        yield
        self._current.pop()

    def bind(self, node: ast.Import | ast.ImportFrom, frame: Frame) -> None:
        """Gives a block the names that an import in it brings."""
        statements.run([node], frame)

    def inline(self, function: Function, arguments: list[Any], given: dict[str, Any]) -> Any:
        """What a function of the project returns for these arguments."""
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
