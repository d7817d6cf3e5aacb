"""Which nginx a host has."""

from __future__ import annotations

import re

from pyinfra.api import FactBase

Version = tuple[int, ...]


class NginxVersions(FactBase[tuple[Version, Version]]):
    """The versions of nginx and of the OpenSSL that it runs with; () where there is none."""

    @staticmethod
    def default() -> tuple[Version, Version]:
        """No nginx."""
        return (), ()

    def command(self) -> str:
        """It writes to standard error."""
        return "nginx -V 2>&1 || true"

    def process(self, output: list[str]) -> tuple[Version, Version]:
        """`running with` is only there where it differs from what it was built with."""
        text = "\n".join(output)
        openssl = re.findall(r"(?:built|running) with OpenSSL ([0-9.]+)", text)
        nginx = re.findall(r"nginx/([0-9.]+)", text)
        return _numbers(nginx[-1:]), _numbers(openssl[-1:])


def _numbers(found: list[str]) -> Version:
    return tuple(int(part) for part in found[0].split(".") if part) if found else ()
