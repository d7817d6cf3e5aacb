"""Replaces parts of pyinfra and paramiko, after checking that they are as expected.

A module declares what it relies on with `expect`, and replaces parts with `replace`. With a
different pyinfra, the run ends at its start and names the part and the module that uses it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any

from pyinfra import __version__

MARK = "groundcrew"


class UnexpectedPyinfraError(RuntimeError):
    """pyinfra differs from the version that groundcrew was written for."""


def expect(owner: Any, name: str, *parameters: str) -> Any:
    """Returns an attribute of a class or module, which must accept these parameters.

    Raises UnexpectedPyinfraError if it does not exist or lacks one of them.
    """
    part = getattr(owner, name, None)
    if part is None or not set(parameters) <= set(inspect.signature(part).parameters):
        user = inspect.stack()[1].frame.f_globals["__name__"]
        place = f"{getattr(owner, '__module__', '')}.{owner.__name__}".lstrip(".")
        raise UnexpectedPyinfraError(
            f"pyinfra {__version__}: {place}.{name} is not what {user} was written for; "
            "use pyinfra 3.10"
        )
    return part


def replace(owner: Any, name: str, wrapper: Callable[[Any], Any]) -> None:
    """Replaces an attribute with `wrapper(original)`, once."""
    original = getattr(owner, name)
    if not replaced(owner, name):
        changed = wraps(original)(wrapper(original))
        setattr(changed, MARK, True)
        setattr(owner, name, changed)


def replaced(owner: Any, name: str) -> bool:
    """Whether `replace` has replaced the attribute."""
    return hasattr(getattr(owner, name), MARK)
