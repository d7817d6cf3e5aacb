"""A host's processors and memory."""

from __future__ import annotations

from typing import NamedTuple

COMMAND = "nproc && grep ^MemTotal: /proc/meminfo"


class Machine(NamedTuple):
    """Processors that programs can use, and memory in bytes as the kernel reports it."""

    cpus: int
    memory: int


def machine(output: list[str]) -> Machine:
    """What `COMMAND` has printed."""
    return Machine(int(output[0]), int(output[1].split()[1]) * 1024)
