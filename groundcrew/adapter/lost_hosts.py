"""An operation fails on a host that is lost in its middle, and the other hosts go on with it.

pyinfra gives an operation the default in place of what it cannot read. What the operation does with
that must not end the run for the other hosts before they have ended the operation.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from pyinfra import logger
from pyinfra.api import Host, State
from pyinfra.connectors.util import CommandOutput

from groundcrew.adapter.patching import expect, replace
from groundcrew.unreadable import UnreadableError

NAME = "_run_host_op"


def install() -> None:
    """Replaces pyinfra's function. Raises UnexpectedPyinfraError if pyinfra is not as expected."""
    module = importlib.import_module("pyinfra.api.operations")
    expect(module, NAME, "state", "host", "op_hash")
    expect(State, "trigger_callbacks", "method_name")
    replace(module, NAME, _failing)


def _failing(run: Callable[..., bool]) -> Callable[..., bool]:
    def run_or_fail(state: State, host: Host, op_hash: str) -> bool:
        try:
            return run(state, host, op_hash)
        except UnreadableError as error:
            return _failed(state, host, op_hash, str(error))
        except Exception as error:
            # Where the operator is asked whether the run goes on, the error is the answer.
            asked = state.should_raise_failed_hosts is not None
            if asked or host not in state.failed_hosts or not state.active_hosts:
                raise
            return _failed(state, host, op_hash, f"{type(error).__name__}: {error}")

    return run_or_fail


def _failed(state: State, host: Host, op_hash: str, reason: str) -> bool:
    """Does what pyinfra does for an operation whose command failed."""
    host.log_styled(f"lost in the middle of this: {reason}", fg="red", log_func=logger.error)
    operation = state.get_op_data_for_host(host, op_hash)
    ignored = bool(operation.global_arguments["_ignore_errors"])
    results: Any = state.get_results_for_host(host)
    if ignored:
        results.ops += 1
        results.ignored_error_ops += 1
    else:
        results.error_ops += 1
    state.trigger_callbacks("operation_host_error", host, op_hash, 0, 0)
    operation.operation_meta.set_complete(False, [], CommandOutput([]))
    return ignored
