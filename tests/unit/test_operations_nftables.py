"""The packet filter's operation, and the unit that loads it at boot."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import pytest

from groundcrew.facts.nftables import NftablesState
from groundcrew.facts.sshd import Sshd, SshdState
from groundcrew.operations import guard, nftables
from groundcrew.templates import render
from groundcrew.unreadable import UnreadableError


class FakeHost:
    """Answers facts."""

    def __init__(self, sshd: SshdState) -> None:
        self.sshd = sshd

    def get_fact(self, fact: type, **arguments: Any) -> Any:
        answers: dict[str, Any] = {"Nftables": NftablesState(), "Sshd": self.sshd}
        return answers.get(fact.__name__, defaultdict(lambda: None))


def rules_for(monkeypatch: pytest.MonkeyPatch, sshd: SshdState) -> Sequence[int]:
    """The ports that the rules are made with."""
    asked: list[Sequence[int]] = []

    def content(ports: Sequence[int]) -> str:
        asked.append(ports)
        raise guard.RefusedError("enough")

    monkeypatch.setattr(nftables, "host", FakeHost(sshd))
    list(nftables.ruleset._inner("groundcrew", content, list))
    [ports] = asked
    return ports


def test_the_rules_know_the_ports_of_ssh(monkeypatch: pytest.MonkeyPatch) -> None:
    assert rules_for(monkeypatch, SshdState(known=True, ports=(22, 922))) == (22, 922)


def test_without_them_there_are_no_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnreadableError, match="sshd's state cannot be read"):
        rules_for(monkeypatch, Sshd.default())


def test_a_sandbox_that_cannot_be_set_up_at_once_is_tried_again() -> None:
    path = "/etc/nftables.d/groundcrew.nft"
    text = render("nftables/table.service.j2", table="groundcrew", path=path)
    starts = [line for line in text.splitlines() if line.startswith("ExecStart=")]
    load = f"/usr/sbin/nft -f {path}"
    # The last attempt decides: one that cannot load the table fails the unit.
    assert starts == [f"ExecStart=-{load}", f"ExecStart=-{load}", f"ExecStart={load}"]
    assert "Restart=on-failure" in text
