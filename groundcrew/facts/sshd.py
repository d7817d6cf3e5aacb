"""The effective configuration of a host's SSH server, in one round trip."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypedDict

from pyinfra.api import FactBase, StringCommand

from groundcrew import remote


class SshdReport(TypedDict):
    """The report of `groundcrew/remote/inspect_sshd.py`: major and minor version; keyword ->
    values; keyword -> algorithms of this version; type of host key -> bits; TCP port -> other
    program that listens there; ports of the SSH server; whether ssh.socket listens for sshd."""

    version: tuple[int, int]
    effective: dict[str, list[str]]
    algorithms: dict[str, list[str]]
    host_keys: dict[str, int]
    taken: dict[str, str]
    ports: list[int]
    socket: bool


@dataclass(frozen=True)
class SshdState:
    """The report of `groundcrew/remote/inspect_sshd.py`, which documents the fields."""

    known: bool = False
    """Whether the host was asked and has answered."""

    version: tuple[int, int] = (0, 0)
    effective: Mapping[str, list[str]] = field(default_factory=dict)
    algorithms: Mapping[str, list[str]] = field(default_factory=dict)
    host_keys: Mapping[str, int] = field(default_factory=dict)
    taken: Mapping[int, str] = field(default_factory=dict)
    ports: tuple[int, ...] = ()
    """Those that root's sshd listens on, those of ssh.socket if it is in use, and those that sshd
    would listen on after a restart."""

    socket: bool = False


class Sshd(FactBase[SshdState]):
    """Version, effective configuration, algorithms, host keys and ports."""

    @staticmethod
    def default() -> SshdState:
        """Unknown."""
        return SshdState()

    def command(self) -> StringCommand:
        """The command that runs the program on the host."""
        return remote.command("inspect_sshd", steady=True)

    def process(self, output: list[str]) -> SshdState:
        """Parses the program's line of JSON."""
        state: SshdReport = json.loads(output[-1])
        major, minor = state["version"]
        return SshdState(
            True,
            (major, minor),
            state["effective"],
            state["algorithms"],
            state["host_keys"],
            {int(port): program for port, program in state["taken"].items()},
            tuple(state["ports"]),
            state["socket"],
        )
