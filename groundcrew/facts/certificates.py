"""The certificates that a host gets by itself, in one round trip."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TypedDict

from pyinfra.api import FactBase, StringCommand

from groundcrew import remote


class Lineage(TypedDict):
    """A certificate that certbot renews; `groundcrew/remote/inspect_certificates.py` says more."""

    names: list[str]
    server: str
    authenticator: str


class CertificateState(TypedDict):
    """What nginx has for one site."""

    target: str | None
    usable: bool
    lineage: Lineage | None


class CertificateStates(TypedDict):
    """All sites."""

    sites: dict[str, CertificateState]
    reload: bool


class Certificates(FactBase[CertificateStates]):
    """Where the sites' certificates come from now."""

    @staticmethod
    def default() -> CertificateStates:
        """Nothing seen."""
        return {"sites": {}, "reload": False}

    def command(self, names: Sequence[str]) -> StringCommand:
        """One program run."""
        return remote.command("inspect_certificates", json.dumps(list(names)))

    def process(self, output: list[str]) -> CertificateStates:
        """The program prints one line of JSON."""
        found: CertificateStates = json.loads(output[-1])
        return found
