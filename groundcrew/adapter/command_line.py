"""Replaces what pyinfra's command line prints about errors, and what it shows while it waits."""

from __future__ import annotations

from collections.abc import Callable

import gevent  # type: ignore[import-untyped]
from pyinfra import progress
from pyinfra.api.exceptions import PyinfraError
from pyinfra_cli import exceptions as cli

from groundcrew.adapter.patching import expect, replace, replaced

Show = Callable[..., None]
"""A method of an exception that prints it to a file."""

EXPECTED: tuple[tuple[object, str, tuple[str, ...]], ...] = (
    (cli.UnexpectedExternalError, "show", ("self",)),
    (cli.UnexpectedInternalError, "show", ("self",)),
    (cli.WrappedError, "show", ("self",)),
    (progress, "_print_spinner", ("stop_event", "progress_queue")),
)


def install(
    unexpected: Callable[[Show], Show],
    wrapped: Callable[[Show], Show],
    spinner: Callable[..., None],
) -> None:
    """Applies the changes, once. Raises UnexpectedPyinfraError if pyinfra is not as expected.

    `unexpected` and `wrapped` make the method that prints an error from pyinfra's own: an exception
    that pyinfra does not expect, and one that it raised with a traceback of the operator's code.
    `spinner` shows progress until its first argument, an event, is set.
    """
    for owner, name, parameters in EXPECTED:
        expect(owner, name, *parameters)
    if installed():
        return
    replace(cli.UnexpectedExternalError, "show", unexpected)
    replace(cli.UnexpectedInternalError, "show", unexpected)
    replace(cli.WrappedError, "show", wrapped)
    replace(progress, "_print_spinner", lambda _: spinner)
    # pyinfra reports errors that end a host; gevent's traceback of the greenlet is not needed.
    gevent.get_hub().NOT_ERROR += (PyinfraError,)


def installed() -> bool:
    """Whether `install` was called in this process."""
    return replaced(progress, "_print_spinner")
