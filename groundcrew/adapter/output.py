"""Chooses which of pyinfra's lines a run prints, and whether they have colours."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any

import click
import pyinfra
import pyinfra_cli
from pyinfra.api import host, operations, output, util
from pyinfra.api.state import BaseStateCallback, State
from pyinfra_cli import cli as command
from pyinfra_cli import log, prints
from pyinfra_cli import util as loading

from groundcrew.adapter.patching import expect, replace

EXPECTED: tuple[tuple[object, str, tuple[str, ...]], ...] = (
    (command, "_main", ("operations", "yes", "dry")),
    (command, "_handle_commands", ("state",)),
    (command, "_prepare_deploy_operations", ("state",)),
    (command, "print_meta", ("state",)),
    (loading, "_parallel_load_hosts", ("state",)),
    (host.Host, "connect", ("self",)),
    (operations, "run_host_op", ("state", "host", "op_hash")),
    (operations, "_run_host_op", ("state", "host", "op_hash")),
    (util, "log_operation_start", ("op_meta",)),
    (prints, "print_rows", ("rows",)),
    (log.LogFormatter, "format", ("self", "record")),
    (output, "set_formatter", ("func",)),
    (BaseStateCallback, "operation_start", ("state", "op_hash")),
    (BaseStateCallback, "operation_end", ("state", "op_hash")),
)

ROUTINE = frozenset(
    {
        ("cli", "_main"),
        ("cli", "cli"),
        ("cli", "_handle_commands"),
        ("cli", "_prepare_deploy_operations"),
        ("util", "load_file"),
        ("host", "connect"),
        ("operations", "run_host_op"),
        ("operations", "_run_host_op"),
        ("util", "log_operation_start"),
        ("prints", "print_rows"),
    }
)
"""Module and function of pyinfra that log how a run goes on: its phases, operations, connected
hosts, and the table of all operations at the end."""

STYLE = re.compile(r"\x1b\[[0-9;]*m")
PLACES = (*pyinfra.__path__, *pyinfra_cli.__path__)


class Lines(logging.Filter):
    """Lets pass the lines of the log that a run prints."""

    def __init__(
        self, least: int, clean: Callable[[str], str], *, routine: bool, colours: bool
    ) -> None:
        """`least` is the lowest level that is printed, `routine` whether lines of ROUTINE are.
        `clean` changes warnings and errors, which hosts' own words are in."""
        super().__init__()
        self.least = least
        self.clean = clean
        self.routine = routine
        self.colours = colours

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a line of the log is printed."""
        if record.levelno >= logging.WARNING:
            record.msg, record.args = self.clean(record.getMessage()), ()
        if not self.colours:
            record.msg, record.args = STYLE.sub("", record.getMessage()), ()
        if record.levelno < self.least:
            return False
        return (
            self.routine
            or (record.module, record.funcName) not in ROUTINE
            or not record.pathname.startswith(PLACES)
        )


def install(lines: Lines, plan: Callable[[State], None] | None) -> None:
    """Makes pyinfra print these lines alone. `plan` prints what would change, in the place of
    pyinfra's table of all operations; None keeps that.

    Raises UnexpectedPyinfraError if pyinfra is not as expected.
    """
    for owner, name, parameters in EXPECTED:
        expect(owner, name, *parameters)
    for handler in pyinfra.logger.handlers:
        if isinstance(handler, log.LogHandler):
            handler.addFilter(lines)
    if plan is not None:
        replace(command, "print_meta", lambda _: plan)
    if not lines.colours:
        _without_colours()


def _without_colours() -> None:
    """Makes pyinfra and click print no colours; click omits them only where its output is no
    terminal."""
    output.set_formatter(lambda text, *_, **__: text)
    log.LogFormatter.level_to_format = {}
    context: Any = click.get_current_context(silent=True)
    if context is not None:
        context.color = False
