"""Reads the order of operations off the call stack in a fraction of pyinfra's time.

pyinfra orders operations by the lines of the calls that lead to them. It asks `inspect` for them,
which looks for the source of every frame, twice: some 5 ms for each operation.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from types import FrameType

import pyinfra
from pyinfra.api import util
from pyinfra.api.state import State

from groundcrew.adapter.patching import expect, replace

NAME = "get_operation_order_from_stack"


def install() -> None:
    """Replaces pyinfra's function. Raises UnexpectedPyinfraError if pyinfra is not as expected."""
    # Its package has a function of the same name.
    module = importlib.import_module("pyinfra.api.operation")
    expect(module, NAME, "state")
    replace(module, NAME, lambda _: order)


def order(state: State) -> list[int]:
    """The line numbers of the calls that lead here from the file that is being loaded, without
    those inside pyinfra."""
    calls = outermost_first(sys._getframe(1))
    calls = calls[first(calls, state.current_deploy_filename) :]
    lines = [state.current_op_file_number] if pyinfra.is_cli else []
    return lines + [
        frame.f_lineno
        for frame in calls
        if not frame.f_code.co_filename.startswith(util.PYINFRA_INSTALL_DIR)
    ]


def first(calls: Sequence[FrameType], filename: str | None) -> int:
    """The index of the first frame of a file, behind all if there is none, as in pyinfra."""
    if not filename:
        return 0
    of_file = (i for i, frame in enumerate(calls) if frame.f_code.co_filename == filename)
    return next(of_file, len(calls))


def outermost_first(frame: FrameType | None) -> list[FrameType]:
    """The frames of the call stack, of which the given one is the last."""
    frames = []
    while frame:
        frames.append(frame)
        frame = frame.f_back
    return frames[::-1]
