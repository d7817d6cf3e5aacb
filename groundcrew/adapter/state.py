"""Calls functions when pyinfra has loaded the inventory.

pyinfra has no hook between "inventory loaded" and "connect", so the state's initialisation is
wrapped: a run with bad settings must end before any connection is made.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyinfra.api.config import Config
from pyinfra.api.inventory import Inventory
from pyinfra.api.state import BaseStateCallback, State

from groundcrew.adapter.patching import expect, replace


def install(loaded: Callable[[Inventory], None], ready: Callable[[State], None]) -> None:
    """Makes pyinfra call `loaded` with the inventory, then `ready` with the new state, before it
    connects. Raises UnexpectedPyinfraError if pyinfra is not as expected."""
    for callback in ("operation_host_error", "host_disconnect"):
        expect(BaseStateCallback, callback, "state", "host")
    expect(State, "init", "inventory", "config")

    def calling(original: Callable[..., None]) -> Callable[..., None]:
        def init(self: State, inventory: Inventory, config: Config | None, **kwargs: Any) -> None:
            loaded(inventory)
            original(self, inventory, config, **kwargs)
            ready(self)

        return init

    replace(State, "init", calling)
