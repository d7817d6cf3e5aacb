"""How the SSH server of a host is configured in effect, in one round trip."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from pyinfra.api import FactBase, StringCommand

from groundcrew import remote


@dataclass(frozen=True)
class SshdState:
    """`groundcrew/remote/inspect_sshd.py` says what the fields mean."""

    version: tuple[int, int] = (0, 0)
    effective: Mapping[str, list[str]] = field(default_factory=dict)
    algorithms: Mapping[str, list[str]] = field(default_factory=dict)
    host_keys: Mapping[str, int] = field(default_factory=dict)


class Sshd(FactBase[SshdState]):
    """Version, effective configuration, known algorithms and host keys."""

    @staticmethod
    def default() -> SshdState:
        """No SSH server."""
        return SshdState()

    def command(self) -> StringCommand:
        """One program run."""
        return remote.command("inspect_sshd")

    def process(self, output: list[str]) -> SshdState:
        """The program prints one line of JSON."""
        found = json.loads(output[-1])
        major, minor = found["version"]
        return SshdState(
            (major, minor), found["effective"], found["algorithms"], found["host_keys"]
        )
