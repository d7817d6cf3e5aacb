"""What one host has resolved is read once, however many others want it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import gevent  # type: ignore[import-untyped]
import pytest

from groundcrew.releases import resolved

PLAN: Any = SimpleNamespace(
    paths=SimpleNamespace(name="shop"),
    environment_key="key",
    requirements=SimpleNamespace(open_ended=True),
)


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolved, "_texts", {})
    monkeypatch.setattr(resolved, "_reading", {})
    monkeypatch.setattr("groundcrew.releases.once._turns", {})


def hosts(number: int) -> list[Any]:
    members: list[Any] = [SimpleNamespace(name=f"web{i}", connected=False) for i in range(number)]
    by_name = {host.name: host for host in members}

    class Inventory(list[Any]):
        def get_host(self, name: str) -> Any:
            return by_name[name]

    for host in members:
        host.state = SimpleNamespace(inventory=Inventory(members))
    return members


@pytest.mark.parametrize("answers", [["flask==3.1.3\n"], ["", "flask==3.1.3\n"]])
def test_fifty_hosts_never_read_at_the_same_time(
    monkeypatch: pytest.MonkeyPatch, answers: list[str]
) -> None:
    reading: list[str] = []
    reads: list[str] = []
    left = list(answers)

    def read(other: Any, plan: Any, host: Any) -> str | None:
        reading.append(host.name)
        reads.append(host.name)
        gevent.sleep(0.01)
        assert reading == [host.name]
        reading.remove(host.name)
        return left.pop(0) or None

    monkeypatch.setattr(resolved, "_read", read)
    first, *others = hosts(50)
    assert resolved.from_another_host(PLAN, first) is None
    waiting = [gevent.spawn(resolved.from_another_host, PLAN, host) for host in others]
    gevent.sleep(0.01)
    assert reads == []
    resolved.end([PLAN], first)
    gevent.joinall(waiting, timeout=5, raise_error=True)
    assert len(reads) == len(answers)
    assert [item.value for item in waiting].count("flask==3.1.3\n") == 50 - len(answers)
