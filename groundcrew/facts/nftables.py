"""The state of a host that a firewall change depends on, in one round trip."""

from __future__ import annotations

import re
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
    """The digests of the live table and of the one that was loaded, whether its unit is enabled,
    and the ports on which the host accepts SSH connections."""

    live: str = ""
    recorded: str = ""
    enabled: bool = False
    ssh_ports: tuple[int, ...] = ()


class Nftables(FactBase[NftablesState]):
    """The state of the table `inet TABLE`, of its unit and of sshd's ports.

    The ports are those that sshd listens on, those of ssh.socket if it is in use, and those that
    sshd would listen on after a restart.
    """

    @staticmethod
    def default() -> NftablesState:
        """Unknown."""
        return NftablesState()

    def command(self, table: str) -> str:
        """Four queries; each is empty if its program is missing."""
        separate = f"echo '{SEPARATOR}'"
        return "; ".join(
            [
                f"nft -s -t list table inet {table} 2>/dev/null | sha256sum",
                separate,
                f"cat {digest_file(table)} 2>/dev/null",
                separate,
                f"systemctl is-enabled {unit(table)} 2>/dev/null",
                separate,
                # A name is any program's own choice: root's socket has no `uid:`.
                "ss -Hltnpe 2>/dev/null | grep '\"sshd\"' | grep -v ' uid:'",
                # Debian installs it, and does not use it.
                "{ systemctl -q is-active ssh.socket || systemctl -q is-enabled ssh.socket; } "
                "2>/dev/null && systemctl show ssh.socket --property=Listen",
                "test -d /run/sshd || mkdir -m 0755 /run/sshd",
                "sshd -T 2>/dev/null | grep '^port '",
                "true",
            ]
        )

    def process(self, output: list[str]) -> NftablesState:
        """Splits the output by query."""
        live, recorded, enabled, ports = "\n".join(output).split(SEPARATOR)
        return NftablesState(
            live=live.strip(),
            recorded=recorded.strip(),
            enabled=enabled.strip() == "enabled",
            ssh_ports=parse_ports(ports),
        )


def parse_ports(text: str) -> tuple[int, ...]:
    """The ports in lines of `ss -Hltn`, `systemctl show --property=Listen` and `sshd -T`."""
    ports = set()
    for line in text.splitlines():
        if line.startswith("LISTEN"):
            ports.add(line.split()[3].rsplit(":", 1)[1])
        elif match := re.match(r"Listen=\S*?(\d+) \(Stream\)", line) or re.match(
            r"port (\d+)$", line
        ):
            ports.add(match[1])
    return tuple(sorted(map(int, ports)))
