"""Which Debian packages are installed, and how old the package lists are."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pyinfra.api import FactBase

SEPARATOR = "##lists##"
STAMP = "/var/lib/groundcrew/apt-update.stamp"
SOURCES = "/etc/apt/sources.list /etc/apt/sources.list.d"
"""Once one of these has changed, the lists are not fresh."""


@dataclass(frozen=True)
class AptState:
    """`versions` of installed packages by name; `lists_age` in seconds, None if never downloaded,
    or not since a source has changed."""

    versions: Mapping[str, str] = field(default_factory=dict)
    lists_age: int | None = None


class Apt(FactBase[AptState]):
    """The state of the named packages, in one round trip."""

    @staticmethod
    def default() -> AptState:
        """Nothing is installed."""
        return AptState()

    def command(self, packages: Sequence[str]) -> str:
        """`dpkg-query` for the packages, then the age of groundcrew's stamp file."""
        query = "dpkg-query --show --showformat='${db:Status-Status} ${Package} ${Version}\\n'"
        names = shlex.join(packages)
        return (
            f"{query} {names} 2>/dev/null; echo '{SEPARATOR}'; "
            f"stamp=$(stat --format=%Y {STAMP} 2>/dev/null) && "
            f'test -z "$(find {SOURCES} -newer {STAMP} -print -quit 2>/dev/null)" && '
            "echo $(($(date +%s) - stamp)) || true"
        )

    def process(self, output: list[str]) -> AptState:
        """Keeps only fully installed packages."""
        split = output.index(SEPARATOR)
        rows = [line.split(" ") for line in output[:split]]
        versions = {name: version for status, name, version in rows if status == "installed"}
        age = output[split + 1 :]
        return AptState(versions, int(age[0]) if age else None)


class Removable(FactBase[list[str]]):
    """The installed packages that can be removed without removing others."""

    default = list

    def command(self, packages: Sequence[str]) -> str:
        """The packages that apt would remove with all of them, and with each alone."""
        listed = "awk '/^(Remv|Purg)/ {print $2}' | sort -u | paste -sd' '"
        return "; ".join(
            f"echo {shlex.quote(asked)}=$(LC_ALL=C apt-get --simulate purge {asked} | {listed})"
            for asked in (shlex.join(packages), *packages)
        )

    def process(self, output: list[str]) -> list[str]:
        """All of them if only they need each other; else those that no package needs."""
        packages: set[str] = set()
        for line in output:
            asked, _, removed = line.partition("=")
            if removed and set(removed.split()) <= set(asked.split()):
                packages.update(removed.split())
        return sorted(packages)
