"""Operations that begin by reading facts, and do nothing before that.

What they read can be read in advance, together with what other operations read: see
`groundcrew.adapter.read_ahead`. For that, such an operation is called once more, up to its first
fact. It must change nothing on the way there, neither on the host nor in this process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

MARK = "groundcrew_reads_first"

Function = TypeVar("Function", bound=Callable[..., Any])


class ProgramRun(NamedTuple):
    """A run of a program of `groundcrew.remote`, as `groundcrew.remote.command` describes it."""

    program: str
    modules: tuple[str, ...]
    arguments: tuple[str, ...]
    joint: bool


Readable = str | ProgramRun
"""A shell command or a program."""

Question = tuple[Readable, str]
"""What is read, and the arguments of the connection that it runs with."""


@dataclass
class Asking:
    """What operations have said so far that they read. `several`: the current one has more to
    say."""

    questions: list[Question] = field(default_factory=list)
    several: bool = False


ASKING: ContextVar[Asking | None] = ContextVar("groundcrew_asking", default=None)
"""Set while operations are asked what they read."""


class AskedError(BaseException):
    """Ends an operation that has said what it reads first. No handler of errors catches it."""


def reading_first(function: Function) -> Function:
    """Marks the function of an operation; the decorator stands below `@operation`."""
    setattr(function, MARK, True)
    return function


def reads_first(function: object) -> bool:
    """Whether the function of an operation is marked."""
    return getattr(function, MARK, False) is True


@contextmanager
def facts_together() -> Iterator[None]:
    """Facts that do not depend on each other, so that all of them can be read in advance. Nothing
    but facts belongs in it: while they are asked for, they have their defaults."""
    asking = ASKING.get()
    if asking is None:
        yield
        return
    asking.several = True
    try:
        yield
    finally:
        asking.several = False
    raise AskedError
