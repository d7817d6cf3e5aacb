"""The version of a host's nginx."""

from __future__ import annotations

import re

from pyinfra.api import FactBase

Version = tuple[int, ...]


class NginxVersions(FactBase[tuple[Version, Version]]):
    """The versions of nginx and of the OpenSSL that it runs with; () if there is none."""

    @staticmethod
    def default() -> tuple[Version, Version]:
        """No nginx."""
        return (), ()

    def command(self) -> str:
        """nginx prints its version on standard error."""
        return "nginx -V 2>&1 || true"

    def process(self, output: list[str]) -> tuple[Version, Version]:
        """Parses the output; `running with` only appears if it differs from `built with`."""
        text = "\n".join(output)
        openssl = re.findall(r"(?:built|running) with OpenSSL ([0-9.]+)", text)
        nginx = re.findall(r"nginx/([0-9.]+)", text)
        return _numbers(nginx[-1:]), _numbers(openssl[-1:])


def _numbers(parts: list[str]) -> Version:
    return tuple(int(part) for part in parts[0].split(".") if part) if parts else ()
