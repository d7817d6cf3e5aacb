"""The state of a host that a firewall change depends on, in one round trip."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pyinfra.api import FactBase

SEPARATOR = "##groundcrew##"
PROPERTIES = "Id,ActiveState,UnitFileState,Listen"


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
                f"systemctl show --property={PROPERTIES} {unit(table)} ssh.socket 2>/dev/null",
                separate,
                # A name is any program's own choice: root's socket has no `uid:`.
                "ss -Hltnpe 2>/dev/null | grep '\"sshd\"' | grep -v ' uid:'",
                "test -d /run/sshd || mkdir -m 0755 /run/sshd",
                "sshd -T 2>/dev/null | grep '^port '",
                "true",
            ]
        )

    def process(self, output: list[str]) -> NftablesState:
        """Splits the output by query."""
        live, recorded, shown, ports = "\n".join(output).split(SEPARATOR)
        table, _, socket = shown.strip().partition("\n\n")
        # Debian installs ssh.socket, and does not use it.
        used = "ActiveState=active" in socket.splitlines() or is_enabled(socket)
        return NftablesState(
            live=live.strip(),
            recorded=recorded.strip(),
            enabled="UnitFileState=enabled" in table.splitlines(),
            ssh_ports=parse_ports(f"{ports}\n{socket if used else ''}"),
        )


def is_enabled(shown: str) -> bool:
    """Whether a unit starts by itself, from `systemctl show`, as `systemctl is-enabled` judges."""
    states = ("enabled", "enabled-runtime", "static", "alias", "indirect", "generated")
    return any(f"UnitFileState={state}" in shown.splitlines() for state in states)


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
