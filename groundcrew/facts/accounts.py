"""The users and groups of a host in one round trip."""

from __future__ import annotations

from dataclasses import dataclass, field

from pyinfra.api import FactBase

SEPARATOR = "##groups##"


@dataclass(frozen=True)
class UserState:
    """A line of passwd; `group` is the name of the primary group."""

    name: str
    uid: int
    group: str
    comment: str
    home: str
    shell: str


@dataclass(frozen=True)
class AccountStates:
    """Users by name, and the members of each group by group name (primary ones not counted)."""

    users: dict[str, UserState] = field(default_factory=dict)
    groups: dict[str, frozenset[str]] = field(default_factory=dict)


class Accounts(FactBase[AccountStates]):
    """All users and groups."""

    @staticmethod
    def default() -> AccountStates:
        """Nobody."""
        return AccountStates()

    def command(self) -> str:
        """Both databases, through the name service."""
        return f"getent passwd && echo '{SEPARATOR}' && getent group"

    def process(self, output: list[str]) -> AccountStates:
        """Parses passwd(5) and group(5) lines."""
        split = output.index(SEPARATOR)
        names, groups = {}, {}
        for line in output[split + 1 :]:
            name, _, gid, members = line.split(":", 3)
            names[gid] = name
            groups[name] = frozenset(filter(None, members.split(",")))
        users = {}
        for line in output[:split]:
            name, _, uid, gid, comment, home, shell = line.split(":", 6)
            group = names.get(gid, gid)
            users[name] = UserState(name, int(uid), group, comment, home, shell)
        return AccountStates(users, groups)
