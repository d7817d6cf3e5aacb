"""The order of operations, read off the call stack."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pyinfra
import pytest
from pyinfra.api import util
from pyinfra.api.state import State

from groundcrew.adapter.call_order import order


@pytest.mark.parametrize("cli", [True, False])
@pytest.mark.parametrize("filename", [None, __file__, "not/there.py"])
def test_it_is_the_one_of_pyinfra(
    monkeypatch: pytest.MonkeyPatch, cli: bool, filename: str | None
) -> None:
    monkeypatch.setattr(pyinfra, "is_cli", cli)
    state = SimpleNamespace(current_deploy_filename=filename, current_op_file_number=3)

    def nested() -> list[list[int]]:
        orders: list[Any] = [how(cast(State, state)) for how in (order, theirs)]
        return orders

    mine, expected = nested()
    assert mine == expected
    assert cli == (mine[:1] == [3])


theirs = getattr(
    util.get_operation_order_from_stack, "__wrapped__", util.get_operation_order_from_stack
)
