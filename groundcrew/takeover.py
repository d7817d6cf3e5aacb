"""Whether an application's accounts are those that a run has made, or somebody else's: pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from groundcrew.accounts import Group, User
from groundcrew.facts.accounts import AccountStates, UserState

SYSTEM_IDS = range(100, 1000)
"""Numbers that Debian gives new system users and groups; those below are its own."""


@dataclass(frozen=True)
class Stranger:
    """A user or group that no run has made."""

    text: str
    """What it is."""

    user: str | None = None
    """Its name, where it is a user of ours to be."""

    hopeless: str = ""
    """Why it cannot be taken over; empty where it can."""


@dataclass(frozen=True)
class Claim:
    """The users and groups of one application, and whether it may take over what is there."""

    app: str
    names: tuple[str, ...]
    """All names of users and groups that are its own, whether or not there are to be such."""

    users: tuple[User, ...]
    groups: tuple[Group, ...]
    adopt: bool = False

    def strangers(self, states: AccountStates) -> list[Stranger]:
        """Those of its names that are somebody else's."""
        return [*self._users(states), *self._groups(states)]

    def adopted(self, states: AccountStates) -> frozenset[str]:
        """Users that are taken over."""
        found = self.strangers(states) if self.adopt else []
        return frozenset(item.user for item in found if item.user)

    def refusal(self, states: AccountStates) -> str:
        """Why its accounts cannot be made, with the next step; empty where they can."""
        found = self.strangers(states)
        told = " and ".join(item.text for item in found)
        hopeless = "; ".join(item.hopeless for item in found if item.hopeless)
        if hopeless:
            return f"{told}: {hopeless}; choose another name for the application"
        if found and not self.adopt:
            return (
                f"{told}: no run has made that; choose another name for the application, or take "
                f"it over with `adopt: true` in apps/{self.app}.yml"
            )
        return ""

    def _users(self, states: AccountStates) -> Iterator[Stranger]:
        wanted = {user.name: user for user in self.users}
        for name in self.names:
            current = states.users.get(name)
            if current and not _is_ours(wanted.get(name), current):
                user = name if name in wanted else None
                yield Stranger(_user(current, states), user, _hopeless(current, states))

    def _groups(self, states: AccountStates) -> Iterator[Stranger]:
        wanted = {group.name for group in self.groups}
        ours = {
            current.group
            for user in self.users
            if (current := states.users.get(user.name)) and _is_ours(user, current)
        }
        for name in self.names:
            gid = states.gids.get(name)
            if gid is None or (name in wanted and (gid in SYSTEM_IDS or name in ours)):
                continue
            members = sorted(states.groups[name])
            told = f", members {', '.join(members)}" if members else ""
            low = f"gid {gid} is one of Debian's own" if gid < SYSTEM_IDS.start else ""
            yield Stranger(f"group {name} (gid {gid}{told})", None, low)


def _is_ours(wanted: User | None, current: UserState) -> bool:
    """By the home, which nobody else would choose: what else differs, a run puts right."""
    return wanted is not None and current.home == wanted.home and current.uid >= SYSTEM_IDS.start


def _user(current: UserState, states: AccountStates) -> str:
    groups = sorted(name for name, members in states.groups.items() if current.name in members)
    told = f", groups {', '.join(groups)}" if groups else ""
    return (
        f"user {current.name} (uid {current.uid}, home {current.home}, "
        f"shell {current.shell or '/bin/sh'}{told})"
    )


def _hopeless(current: UserState, states: AccountStates) -> str:
    """Taken over, these would be more than an application's user."""
    if current.uid < SYSTEM_IDS.start:
        return f"uid {current.uid} is one of Debian's own"
    same = sorted(
        user.name
        for user in states.users.values()
        if user.uid == current.uid and user.name != current.name
    )
    return f"{', '.join(same)} has uid {current.uid} too" if same else ""
