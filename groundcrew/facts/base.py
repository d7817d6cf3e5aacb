"""The state of a host's base system except for files, in one round trip."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TypedDict

from pyinfra.api import FactBase, StringCommand

from groundcrew import remote


class KernelParameter(TypedDict):
    """A kernel parameter's value, and whether it can be set on this host."""

    value: str
    writable: bool


class SwapFile(TypedDict):
    """/swapfile: its size, 0 if there is none, and whether it is in use."""

    mib: int
    active: bool


class AppArmor(TypedDict):
    """Whether the kernel has AppArmor, whether it is enabled, and whether its profiles can be
    loaded."""

    kernel: bool
    enabled: bool
    tools: bool


class BaseState(TypedDict):
    """The report of `groundcrew/remote/inspect_host.py`, which documents the keys."""

    container: bool
    hostname: str
    hosts: dict[str, list[str]]
    locales: list[str]
    sysctl: dict[str, KernelParameter | None]
    units: dict[str, dict[str, str]]
    modified: dict[str, float]
    swap: SwapFile
    certificates_are_stale: bool
    login_defs: dict[str, str | None]
    dotfiles: list[str]
    open_files: list[str]
    apparmor: AppArmor
    aide_is_ready: bool
    auditd: bool


class Base(FactBase[BaseState | None]):
    """The state of kernel parameters, units, swap, certificates, names."""

    def command(
        self,
        sysctl: Sequence[str],
        units: Sequence[str],
        files: Sequence[str],
        *,
        login_defs: Sequence[str] = (),
        dotfiles: bool = False,
        private: Sequence[str] = (),
        aide: bool = False,
    ) -> StringCommand:
        """The command that runs the program on the host."""
        request = {
            "sysctl": list(sysctl),
            "units": list(units),
            "files": list(files),
            "login_defs": list(login_defs),
            "dotfiles": dotfiles,
            "private": list(private),
            "aide": aide,
        }
        return remote.command("inspect_host", json.dumps(request))

    def process(self, output: list[str]) -> BaseState:
        """Parses the program's line of JSON."""
        state: BaseState = json.loads(output[-1])
        return state
