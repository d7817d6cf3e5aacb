"""How a run ends on the command line.

- Ctrl-C ends with 130 and stops running operations: pyinfra exits with 0 and lets them go on.
- If Python cannot run a file of the operator's, the error names file, line and reason, without a
  traceback.
- A failed run ends with a report; pyinfra would end by saying that no hosts remain.
- If something takes long, a line says what.
- What is printed before, and in which detail, is said in `groundcrew.console.progress`.
"""

from __future__ import annotations

import atexit
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

import click
from pyinfra.api.state import State
from pyinfra_cli import exceptions as cli

from groundcrew.adapter import command_line
from groundcrew.adapter.unreachable import skipped
from groundcrew.console import progress, waiting
from groundcrew.console.facts import Untouched, changed_nothing
from groundcrew.console.failures import STORY, Collector, Listener
from groundcrew.console.lines import untouched_lines
from groundcrew.console.mode import Mode
from groundcrew.console.report import interrupted, report
from groundcrew.record import RECORD

NO_HOSTS = ("No hosts remaining!", "Over 0% of hosts failed")
"""How pyinfra's errors begin that only say that hosts have failed."""

INTERRUPTED = 130
"""The exit status of a program interrupted by Ctrl-C (128 + SIGINT)."""


def install(project: Path) -> None:
    """Applies the changes, once. Raises UnexpectedPyinfraError if pyinfra is not as expected."""
    if command_line.installed():
        return
    progress.install()
    command_line.install(lambda show: _told(show, project), _without_place, _waiting)
    signal.signal(signal.SIGINT, _interrupt)
    logging.getLogger("pyinfra").addHandler(Listener())
    atexit.register(_at_end)


def attach(state: State) -> None:
    """Collects the failures of this run."""
    STORY.state = state
    state.add_callback_handler(Collector())
    progress.attach(state)


def _waiting(stop_event: Any, progress_queue: Sequence[str]) -> None:
    waiting.show(stop_event, progress_queue, lambda: progress.SHOWN.mode is Mode.QUIET)


def _interrupt(signum: int, frame: FrameType | None) -> None:
    del signum, frame
    if STORY.interrupted is not None:
        # On the second Ctrl-C, exit at once.
        os._exit(INTERRUPTED)
    STORY.interrupted = {host: item.step for host, item in STORY.running.items()}
    if STORY.state is not None and STORY.state.pool is not None:
        # Otherwise operations would continue while the hosts are being disconnected.
        STORY.state.pool.kill(block=False)
    sys.exit(INTERRUPTED)


def _at_end() -> None:
    failures = STORY.complete()
    kept: list[Untouched] = []
    if STORY.state is not None and STORY.state.initialised:
        progress.at_end(STORY.state)
        kept = progress.untouched(STORY.state) if failures else []
    if STORY.interrupted is not None:
        text = interrupted(STORY.interrupted)
    else:
        nothing = changed_nothing(kept, progress.told(STORY.state)) if STORY.state else False
        shown = [] if nothing else untouched_lines(kept)
        left_out = skipped(STORY.state) if STORY.state else set()
        text = report(failures, shown, nothing=nothing, left_out=left_out, wrap=sys.stderr.isatty())
    if text:
        click.echo(f"\n{progress.clean(text)}", err=True)


def _without_place(show: Callable[..., None]) -> Callable[..., None]:
    """Suppresses the traceback if a host failed: the code that noticed it is not at fault."""

    def told(self: cli.WrappedError, file: Any = None) -> None:
        RECORD.error = str(self)
        if STORY.complete():
            self.traceback = None
            # The end of the run says it better.
            if progress.SHOWN.mode is not Mode.VERBOSE and str(self).startswith(NO_HOSTS):
                return
        show(self, file)

    return told


def _told(show: Callable[..., None], project: Path) -> Callable[..., None]:
    def told(self: Any, file: Any = None) -> None:
        error: BaseException = self.exception
        place = _place(error, getattr(error, "_traceback", None), project)
        RECORD.error = "".join(traceback.format_exception_only(error)).strip()
        if place is None:
            for host, running in STORY.running.items():
                STORY.failed(host, running.step, (*traceback.format_exception_only(error),))
            show(self, file)
            return
        reason = error.msg if isinstance(error, SyntaxError) else str(error)
        kind = "" if isinstance(error, SyntaxError) else f"{type(error).__name__}: "
        click.echo(f"\ngroundcrew: {place}: {kind}{reason}; nothing was changed", err=True)
        if isinstance(error, SyntaxError) and error.text:
            click.echo(f"      {error.text.strip()}", err=True)
        click.echo("  Fix that line, then run the same again.", err=True)

    return told


def _place(error: BaseException, frames: TracebackType | None, project: Path) -> str | None:
    """The file and line to correct in the operator's own files (an inventory, group data); None if
    the fault is elsewhere."""
    if isinstance(error, SyntaxError):
        position = (error.filename, error.lineno)
    else:
        last = traceback.extract_tb(frames)[-1:] if frames else []
        position = (last[0].filename, last[0].lineno) if last else (None, None)
    name, line = position
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
