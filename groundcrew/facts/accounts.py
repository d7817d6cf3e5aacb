"""A host's users and groups, in one round trip."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from pyinfra.api import FactBase

SEPARATOR = "##groups##"


@dataclass(frozen=True)
class UserState:
    """A line of passwd(5); `group` is the name of the primary group."""

    name: str
    uid: int
    group: str
    comment: str
    home: str
    shell: str


@dataclass(frozen=True)
class AccountStates:
    """Users by name; members (without those whose primary group it is) and gid of each group by
    name."""

    users: dict[str, UserState] = field(default_factory=dict)
    groups: dict[str, frozenset[str]] = field(default_factory=dict)
    gids: dict[str, int] = field(default_factory=dict)


class Accounts(FactBase[AccountStates]):
    """All users and groups."""

    @staticmethod
    def default() -> AccountStates:
        """No users or groups."""
        return AccountStates()

    def command(self, reader: str = "") -> str:
        """Both databases, through the name service switch. Readers of different names can both read
        ahead: each answer is for one of them."""
        command = f"getent passwd && echo '{SEPARATOR}' && getent group"
        return f"{command} # {reader}" if reader else command

    def process(self, output: list[str]) -> AccountStates:
        """Parses passwd(5) and group(5) lines."""
        split = output.index(SEPARATOR)
        return parse(output[:split], output[split + 1 :])


def parse(passwd: Iterable[str], group: Iterable[str]) -> AccountStates:
    """The accounts in lines of passwd(5) and group(5)."""
    names: dict[str, str] = {}
    groups: dict[str, frozenset[str]] = {}
    gids: dict[str, int] = {}
    for line in group:
        name, _, gid, members = line.split(":", 3)
        names[gid] = name
        groups[name] = frozenset(filter(None, members.split(",")))
        gids[name] = int(gid)
    users = {}
    for line in passwd:
        name, _, uid, gid, comment, home, shell = line.split(":", 6)
        users[name] = UserState(name, int(uid), names.get(gid, gid), comment, home, shell)
    return AccountStates(users, groups, gids)
