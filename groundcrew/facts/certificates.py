"""The certificates that a host obtains itself, in one round trip."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TypedDict

from pyinfra.api import FactBase, StringCommand

from groundcrew import remote


class Lineage(TypedDict):
    """A certificate that certbot renews; see `groundcrew/remote/inspect_certificates.py`."""

    names: list[str]
    server: str
    authenticator: str


class CertificateState(TypedDict):
    """The certificate that nginx uses for one site."""

    target: str | None
    usable: bool
    lineage: Lineage | None


class CertificateStates(TypedDict):
    """The certificates of all sites, and whether systemd must reload certbot's unit."""

    sites: dict[str, CertificateState]
    reload: bool


class Certificates(FactBase[CertificateStates]):
    """The current certificates of sites."""

    @staticmethod
    def default() -> CertificateStates:
        """No certificates."""
        return {"sites": {}, "reload": False}

    def command(self, names: Sequence[str]) -> StringCommand:
        """The command that runs the program on the host."""
        return remote.command("inspect_certificates", json.dumps(list(names)))

    def process(self, output: list[str]) -> CertificateStates:
        """Parses the program's line of JSON."""
        states: CertificateStates = json.loads(output[-1])
        return states
