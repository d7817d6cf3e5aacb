"""The values that evaluation can produce."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Final


class Unknown:
    """A value that only running the code would determine."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown()


@dataclass(frozen=True)
class Dotted:
    """A name from outside the project: `os.path.join`, `django.conf.settings`."""

    name: str

    @property
    def last(self) -> str:
        """The last part of the name."""
        return self.name.rpartition(".")[2]


@dataclass(frozen=True)
class ModuleRef:
    """A module of the project."""

    name: str


@dataclass(frozen=True)
class Imported:
    """A name from another module of the project, resolved when needed."""

    module: str
    name: str


@dataclass(frozen=True, eq=False)
class Function:
    """A function of the project, and the module whose names it uses."""

    node: ast.FunctionDef | ast.AsyncFunctionDef
    module: str


@dataclass(eq=False)
class Class:
    """A class of the project: the names in its body, and its bases."""

    node: ast.ClassDef
    module: str
    names: dict[str, Any] = field(default_factory=dict)
    bases: tuple[Any, ...] = ()
    origins: dict[str, frozenset[str]] = field(default_factory=dict)

    def get(self, name: str) -> Any:
        """An attribute of the class or its bases; UNKNOWN if there is none."""
        if name in self.names:
            return self.names[name]
        for base in self.bases:
            if isinstance(base, Class) and (value := base.get(name)) is not UNKNOWN:
                return value
        return UNKNOWN

    def derives_from(self, *names: str) -> bool:
        """Whether one of its bases, direct or indirect, has one of these names (last parts)."""
        return any(
            base.last in names if isinstance(base, Dotted) else base.derives_from(*names)
            for base in self.bases
            if isinstance(base, Dotted | Class)
        )


@dataclass(frozen=True, eq=False)
class Instance:
    """An object: an instance of a project's class, or the result of a call to something outside."""

    of: Class | Dotted
    call: ast.Call
    module: str

    @property
    def kind(self) -> str:
        """The name of its class or function."""
        return self.of.node.name if isinstance(self.of, Class) else self.of.last


@dataclass(frozen=True)
class Read:
    """A read of an environment variable. `demanded`: there is no default."""

    name: str
    default: Any = UNKNOWN
    demanded: bool = False


def path(value: Any) -> str | None:
    """The value as a path; None if it is not one."""
    if isinstance(value, PurePosixPath):
        return value.as_posix()
    return value if isinstance(value, str) and value else None
