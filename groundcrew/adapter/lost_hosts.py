"""A host that is lost in the middle of an operation fails, and the others go on.

pyinfra marks a host as failed whose state cannot be read, and gives the operation the default
instead. What the operation does with that must not end the run for all hosts.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from pyinfra import logger
from pyinfra.api import Host, State

from groundcrew.adapter.patching import expect, replace

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
        except Exception:
            if host not in state.failed_hosts or not state.active_hosts:
                raise
            host.log_styled("lost in the middle of this step", fg="red", log_func=logger.error)
            results: Any = state.get_results_for_host(host)
            results.error_ops += 1
            state.trigger_callbacks("operation_host_error", host, op_hash, 0, 0)
            return False

    return run_or_fail
