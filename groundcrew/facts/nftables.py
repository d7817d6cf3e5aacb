"""What a firewall change has to know about a host, in one round trip."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pyinfra.api import FactBase

SEPARATOR = "##groundcrew##"


def digest_file(table: str) -> str:
    """Where the digest of a table is kept, as it was right after it was loaded."""
    return f"/var/lib/groundcrew/nftables-{table}.digest"


def unit(table: str) -> str:
    """The unit that loads a table at boot."""
    return f"nftables-{table}.service"


@dataclass(frozen=True)
class NftablesState:
    """The live table by digest, and the ports on which the host takes SSH connections."""

    live: str = ""
    recorded: str = ""
    enabled: bool = False
    ssh_ports: tuple[int, ...] = ()


class Nftables(FactBase[NftablesState]):
    """The state of the table `inet TABLE`, of its unit and of sshd's ports.

    The ports are those that sshd listens on, those of an active ssh.socket, and those that sshd
    would listen on after a restart.
    """

    @staticmethod
    def default() -> NftablesState:
        """Nothing known."""
        return NftablesState()

    def command(self, table: str) -> str:
        """Four questions, each answered by nothing where its program is missing."""
        separate = f"echo '{SEPARATOR}'"
        return "; ".join(
            [
                f"nft -s -t list table inet {table} 2>/dev/null | sha256sum",
                separate,
                f"cat {digest_file(table)} 2>/dev/null",
                separate,
                f"systemctl is-enabled {unit(table)} 2>/dev/null",
                separate,
                "ss -Hltnp 2>/dev/null | grep '\"sshd\"'",
                "systemctl show ssh.socket --property=Listen 2>/dev/null",
                "test -d /run/sshd || mkdir -m 0755 /run/sshd",
                "sshd -T 2>/dev/null | grep '^port '",
                "true",
            ]
        )

    def process(self, output: list[str]) -> NftablesState:
        """Splits the answers."""
        live, recorded, enabled, ports = "\n".join(output).split(SEPARATOR)
        return NftablesState(
            live=live.strip(),
            recorded=recorded.strip(),
            enabled=enabled.strip() == "enabled",
            ssh_ports=parse_ports(ports),
        )


def parse_ports(text: str) -> tuple[int, ...]:
    """The ports in lines of `ss -Hltn`, `systemctl show --property=Listen` and `sshd -T`."""
    found = set()
    for line in text.splitlines():
        if line.startswith("LISTEN"):
            found.add(line.split()[3].rsplit(":", 1)[1])
        elif match := re.match(r"Listen=\S*?(\d+) \(Stream\)", line) or re.match(
            r"port (\d+)$", line
        ):
            found.add(match[1])
    return tuple(sorted(map(int, found)))
