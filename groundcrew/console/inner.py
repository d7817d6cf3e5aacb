"""What groundcrew changes in how pyinfra's command line ends; nothing else touches these parts.

- Ctrl-C ends with 130, and what runs is told to end: pyinfra exits with 0 while operations go on.
- A file of yours that Python cannot run is told by file, line and reason, without a traceback.
- A failed run ends with a report; pyinfra's last words are that no hosts remain.
- While something takes long, a line says what.
"""

from __future__ import annotations

import atexit
import inspect
import logging
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

import click
import gevent  # type: ignore[import-untyped]
from pyinfra import __version__, progress
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.state import State
from pyinfra_cli import exceptions as cli

from groundcrew.console import waiting
from groundcrew.console.failures import STORY, Collector, Listener
from groundcrew.console.report import interrupted, report

INTERRUPTED = 130
"""The exit status of a program that Ctrl-C ended (128 + SIGINT)."""

EXPECTED: tuple[tuple[object, str, tuple[str, ...]], ...] = (
    (cli.UnexpectedExternalError, "show", ("self",)),
    (cli.UnexpectedInternalError, "show", ("self",)),
    (cli.WrappedError, "show", ("self",)),
    (progress, "_print_spinner", ("stop_event", "progress_queue")),
)


class ConsoleError(RuntimeError):
    """pyinfra's command line is not the one that this module was written for."""


def install(project: Path) -> None:
    """Apply the changes, once. Raises ConsoleError where pyinfra is not as expected."""
    for owner, name, parameters in EXPECTED:
        known = getattr(owner, name, None)
        if known is None or not set(parameters) <= set(inspect.signature(known).parameters):
            raise ConsoleError(
                f"pyinfra {__version__}: {name} is not what groundcrew/console/inner.py was "
                "written for; use pyinfra 3.10"
            )
    if hasattr(progress._print_spinner, "groundcrew"):
        return
    _replace(cli.UnexpectedExternalError, "show", lambda show: _told(show, project))
    _replace(cli.UnexpectedInternalError, "show", lambda show: _told(show, project))
    _replace(cli.WrappedError, "show", _without_place)
    _replace(progress, "_print_spinner", lambda _: waiting.show)
    # What ends a host is shown by pyinfra's own words, not by its greenlet's traceback as well.
    gevent.get_hub().NOT_ERROR += (PyinfraError,)
    signal.signal(signal.SIGINT, _interrupt)
    logging.getLogger("pyinfra").addHandler(Listener())
    atexit.register(_at_end)


def attach(state: State) -> None:
    """Follow this run."""
    STORY.state = state
    state.add_callback_handler(Collector())


def _replace(owner: Any, name: str, wrapper: Callable[[Any], Any]) -> None:
    changed = wrapper(getattr(owner, name))
    changed.groundcrew = True
    setattr(owner, name, changed)


def _interrupt(signum: int, frame: FrameType | None) -> None:
    del signum, frame
    if STORY.interrupted is not None:
        # The second time, without waiting for anything.
        os._exit(INTERRUPTED)
    STORY.interrupted = {host: item.step for host, item in STORY.running.items()}
    if STORY.state is not None and STORY.state.pool is not None:
        # Else they would go on while the hosts are disconnected from.
        STORY.state.pool.kill(block=False)
    sys.exit(INTERRUPTED)


def _at_end() -> None:
    width = shutil.get_terminal_size((80, 24)).columns
    if STORY.interrupted is not None:
        text = interrupted(STORY.interrupted, width)
    else:
        text = report(STORY.complete(), width)
    if text:
        click.echo(f"\n{text}", err=True)


def _without_place(show: Callable[..., None]) -> Callable[..., None]:
    """That a host failed is no fault of the line of code that noticed."""

    def told(self: cli.WrappedError, file: Any = None) -> None:
        if STORY.complete() and self.traceback is not None:
            self.traceback = None
        show(self, file)

    return told


def _told(show: Callable[..., None], project: Path) -> Callable[..., None]:
    def told(self: Any, file: Any = None) -> None:
        error: BaseException = self.exception
        place = _place(error, getattr(error, "_traceback", None), project)
        if place is None:
            for host, running in STORY.running.items():
                STORY.failed(host, running.step, (*traceback.format_exception_only(error),))
            show(self, file)
            return
        reason = error.msg if isinstance(error, SyntaxError) else str(error)
        kind = "" if isinstance(error, SyntaxError) else f"{type(error).__name__}: "
        click.echo(f"\ngroundcrew: {place}: {kind}{reason}; nothing was changed", err=True)
        if isinstance(error, SyntaxError) and error.text:
            click.echo(f"\n      {error.text.strip()}", err=True)

    return told


def _place(error: BaseException, frames: TracebackType | None, project: Path) -> str | None:
    """The file and line of the operator's own (an inventory, group data) that is to be mended; None
    where the fault is elsewhere."""
    if isinstance(error, SyntaxError):
        found = (error.filename, error.lineno)
    else:
        last = traceback.extract_tb(frames)[-1:] if frames else []
        found = (last[0].filename, last[0].lineno) if last else (None, None)
    name, line = found
    if not name:
        return None
    path = Path(name).resolve()
    inventory = click.get_current_context(silent=True) or None
    given = inventory.params.get("inventory") if inventory else None
    own = path.parent.name == "group_data" or path.parent == project / "inventory"
    if not own and (given is None or path != Path(str(given)).resolve()):
        return None
    shown = os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
    return f"{shown} line {line}"
