"""The state of a table of the packet filter, in one round trip."""

from __future__ import annotations

from dataclasses import dataclass

from pyinfra.api import FactBase

SEPARATOR = "##groundcrew##"


def digest_file(table: str) -> str:
    """File with the digest of a table, taken right after it was loaded."""
    return f"/var/lib/groundcrew/nftables-{table}.digest"


def unit(table: str) -> str:
    """The unit that loads a table at boot."""
    return f"nftables-{table}.service"


@dataclass(frozen=True)
class NftablesState:
    """The digests of the live table and of the one that was loaded, and whether its unit is
    enabled."""

    live: str = ""
    recorded: str = ""
    enabled: bool = False


class Nftables(FactBase[NftablesState]):
    """The state of the table `inet TABLE` and of its unit."""

    @staticmethod
    def default() -> NftablesState:
        """Unknown."""
        return NftablesState()

    def command(self, table: str) -> str:
        """Three queries; each is empty if its program is missing."""
        separate = f"echo '{SEPARATOR}'"
        return "; ".join(
            [
                f"nft -s -t list table inet {table} 2>/dev/null | sha256sum",
                separate,
                f"cat {digest_file(table)} 2>/dev/null",
                separate,
                f"systemctl show --property=UnitFileState {unit(table)} 2>/dev/null",
                "true",
            ]
        )

    def process(self, output: list[str]) -> NftablesState:
        """Splits the output by query."""
        live, recorded, shown = "\n".join(output).split(SEPARATOR)
        return NftablesState(
            live=live.strip(),
            recorded=recorded.strip(),
            enabled="UnitFileState=enabled" in shown.splitlines(),
        )
