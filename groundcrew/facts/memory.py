"""A host's memory."""

from __future__ import annotations

from pyinfra.api import FactBase


class Memory(FactBase[int]):
    """Total memory in bytes as the kernel reports it: slightly less than the nominal size."""

    @staticmethod
    def default() -> int:
        """Unknown."""
        return 0

    def command(self) -> str:
        """One line of /proc/meminfo."""
        return "grep ^MemTotal: /proc/meminfo"

    def process(self, output: list[str]) -> int:
        """Converts the value from KiB."""
        return int(output[0].split()[1]) * 1024
