"""Whether connections to an application are reused, as the host sees it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from groundcrew.roles.verify import on_host

APP = {"name": "shop", "reuse": True, "runtime": "/run/shop", "port": 80, "host": "h", "tls": False}


class Client:
    def __init__(self, *_: Any) -> None: ...

    def close(self) -> None: ...


def connections_used(monkeypatch: pytest.MonkeyPatch, connections: Iterator[set[str]]) -> Any:
    """What is reported of three requests a row, where these connections are there after each."""
    monkeypatch.setattr(on_host, "NginxConnection", Client)
    monkeypatch.setattr(on_host, "get", lambda *_: 200)
    monkeypatch.setattr(on_host, "connections", lambda _: next(connections))
    request: Any = {"apps": [APP], "reuse_requests": 3}
    return on_host.reuse(request)["shop"]


def test_a_connection_that_reaches_its_age_is_followed_by_one_that_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    aged = iter([{"1"}, {"2"}, {"2"}])
    assert connections_used(monkeypatch, iter([*aged, *[{"2"}] * 3])) == {"new": 0, "kept": 1}


def test_a_server_that_closes_every_connection_is_found_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    each = iter({str(number)} for number in range(9))
    assert connections_used(monkeypatch, each) == {"new": 2, "kept": 0}


def test_units_are_waited_for_where_there_are_some(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    none: Any = {"apps": [], "serving_units": [], "settle": 5.0}
    assert on_host.units_after(none) == {}
    assert slept == []
    monkeypatch.setattr(on_host, "units_before", lambda _: {"shop.service": {}})
    some: Any = {**none, "serving_units": ["shop.service"]}
    assert on_host.units_after(some) == {"shop.service": {}}
    assert len(slept) == 1
