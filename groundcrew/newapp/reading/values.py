"""The values that reading a module can give."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Final


class Unknown:
    """What only running the code would tell."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown()


@dataclass(frozen=True)
class Dotted:
    """A name from outside the project: `os.path.join`, `django.conf.settings`."""

    name: str

    @property
    def last(self) -> str:
        """Its last part."""
        return self.name.rpartition(".")[2]


@dataclass(frozen=True)
class ModuleRef:
    """A module of the project."""

    name: str


@dataclass(frozen=True)
class Imported:
    """A name from another module of the project, looked up when it is needed."""

    module: str
    name: str


@dataclass(frozen=True, eq=False)
class Function:
    """A function of the project, and the module whose names it sees."""

    node: ast.FunctionDef | ast.AsyncFunctionDef
    module: str


@dataclass(eq=False)
class Class:
    """A class of the project: what its body sets, and what it derives from."""

    node: ast.ClassDef
    module: str
    names: dict[str, Any] = field(default_factory=dict)
    bases: tuple[Any, ...] = ()
    origins: dict[str, frozenset[str]] = field(default_factory=dict)

    def get(self, name: str) -> Any:
        """An attribute, its own or one of the classes that it derives from."""
        if name in self.names:
            return self.names[name]
        for base in self.bases:
            if isinstance(base, Class) and (found := base.get(name)) is not UNKNOWN:
                return found
        return UNKNOWN

    def derives_from(self, *names: str) -> bool:
        """Whether a class that it derives from has one of these names (their last parts)."""
        return any(
            base.last in names if isinstance(base, Dotted) else base.derives_from(*names)
            for base in self.bases
            if isinstance(base, Dotted | Class)
        )


@dataclass(frozen=True, eq=False)
class Instance:
    """An object: of a class of the project, or one that a call to something outside makes."""

    of: Class | Dotted
    call: ast.Call
    module: str

    @property
    def kind(self) -> str:
        """The name of its class."""
        return self.of.node.name if isinstance(self.of, Class) else self.of.last


@dataclass(frozen=True)
class Read:
    """An environment variable that is read: `demanded` where nothing stands in for it."""

    name: str
    default: Any = UNKNOWN
    demanded: bool = False


def path(value: Any) -> str | None:
    """A value as a path, where it is one."""
    if isinstance(value, PurePosixPath):
        return value.as_posix()
    return value if isinstance(value, str) and value else None
