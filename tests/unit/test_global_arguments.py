"""Arguments of operations and data of hosts, looked up as pyinfra does it."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import pytest
from pyinfra.api import Config, Inventory, State
from pyinfra.api.host import HostData

from groundcrew.adapter import global_arguments
from groundcrew.adapter.global_arguments import MODULES, NAME


@pytest.fixture
def original(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """pyinfra's own function, with ours in its place."""
    modules = [importlib.import_module(name) for name in MODULES]
    before = modules[0].all_global_arguments
    before = getattr(before, "__wrapped__", before)
    for module in modules:
        monkeypatch.setattr(module, NAME, before)
    of_data: Any = HostData.__getattr__
    monkeypatch.setattr(HostData, "__getattr__", getattr(of_data, "__wrapped__", of_data))
    global_arguments.install()
    yield before


def test_the_arguments_are_those_of_pyinfra(original: Any) -> None:
    for name in MODULES:
        replaced = getattr(importlib.import_module(name), NAME)
        assert replaced is not original
        assert replaced() == original()
        # Whoever changes the list changes none for others.
        replaced().clear()
        assert replaced() == original()


def test_data_of_a_host(original: Any) -> None:
    del original
    groups: dict[str, Any] = {"web": (["a"], {"two": [2], "both": "group", "_sudo": True})}
    inventory = Inventory(
        (["a", ("b", {"two": 3})], {"one": 1, "both": "all"}), override_data={"cli": 9}, **groups
    )
    State(inventory, Config())
    data = inventory.get_host("a").data
    assert (data.one, data.two, data.both, data.cli, data._sudo) == (1, [2], "group", 9, True)
    assert data.get("none", 5) == 5
    assert not hasattr(data, "none")
    with pytest.raises(AttributeError, match="Host `a` has no data `none`"):
        _ = data.none
    # What a deploy changes does not stick, unless it sets it.
    data.two.append(4)
    assert data.two == [2]
    data.two = [5]
    assert data.two == [5]
    assert inventory.get_host("b").data.two == 3
