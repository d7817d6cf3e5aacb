"""How much memory a host has."""

from __future__ import annotations

from pyinfra.api import FactBase


class Memory(FactBase[int]):
    """Bytes that the kernel manages: a little less than the machine is sold with."""

    @staticmethod
    def default() -> int:
        """Not known."""
        return 0

    def command(self) -> str:
        """One line of /proc/meminfo."""
        return "grep ^MemTotal: /proc/meminfo"

    def process(self, output: list[str]) -> int:
        """It counts in KiB."""
        return int(output[0].split()[1]) * 1024
