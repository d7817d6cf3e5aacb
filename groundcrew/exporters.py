"""Describes a program that serves metrics to the role that runs all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from groundcrew.remote.credentials import FOLDER
from groundcrew.remote.exporter_login import unit_name

ACCOUNT = "groundcrew_metrics"
"""Beginning of the names of logins that may read a server's figures and nothing else."""

LISTEN = "{listen}"
"""In a command: `ADDRESS:PORT`, with nothing before the colon for all addresses."""
HOST = "{host}"
"""In a command: the address alone; empty for all addresses."""


@dataclass(frozen=True)
class Exporter:
    """A program that serves metrics over HTTP, in a unit of its own with a user of its own.

    It listens where monitoring reads it, and nowhere on hosts that are not monitored. The unit of
    its package never runs.
    """

    name: str
    """What it measures: the unit is `groundcrew-metrics-NAME.service`."""

    job: str
    """The label `job`."""

    package: str
    packaged: str
    """The package's unit, which would listen at all addresses."""

    command: tuple[str, ...]
    """The program and its arguments, which contain no spaces. No argument is secret."""

    port: int
    memory: int
    """Largest amount of memory in MiB."""

    labels: Mapping[str, str] = field(default_factory=dict)
    groups: tuple[str, ...] = ()
    """Groups whose files it may read."""

    logs: str | None = None
    """Directory of log files that it reads. It sees no other directory in /var/log."""

    secret: str | None = None
    """File with environment variables that only root can read."""

    credential: str | None = None
    """File that only root can read, and that the program reads as `{credential}`."""

    files: tuple[str, ...] = ()
    """Files that it reads at its start, which are there before it is started."""

    started: bool = True
    """Whether the base role starts it; otherwise the role that brings it does, once there are
    passwords."""

    def with_login(self, text: str) -> dict[str, Any]:
        """The request to `groundcrew/remote/exporter_login.py`. `text` is the content of the file
        with the login, in which `{user}` and `{password}` stand for it."""
        return {
            "unit": self.unit,
            "unit_file": self.unit_file,
            "file": self.secret or self.credential,
            "text": text,
            "files": list(self.files),
            "store": f"{FOLDER}/metrics/{self.name}",
            "account": ACCOUNT,
        }

    @property
    def unit(self) -> str:
        """Its unit."""
        return unit_name(self.name)

    @property
    def unit_file(self) -> str:
        """The file of the unit."""
        return f"/etc/systemd/system/{self.unit}"
