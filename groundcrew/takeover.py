"""Determines whether an application's accounts were created by groundcrew or belong to others. Pure
functions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from groundcrew.accounts import Group, User
from groundcrew.facts.accounts import AccountStates, UserState

SYSTEM_IDS = range(100, 1000)
"""IDs that Debian assigns to new system users and groups; lower ones are Debian's own."""


@dataclass(frozen=True)
class Stranger:
    """A user or group that groundcrew did not create."""

    text: str
    """Its description."""

    user: str | None = None
    """The user's name, if the application needs a user of this name."""

    hopeless: str = ""
    """Why it cannot be taken over; empty if it can."""


@dataclass(frozen=True)
class Claim:
    """The users and groups of one application, and whether it may take over existing ones."""

    app: str
    names: tuple[str, ...]
    """All names of users and groups that are reserved for it, whether or not it uses them."""

    users: tuple[User, ...]
    groups: tuple[Group, ...]
    adopt: bool = False

    def strangers(self, states: AccountStates) -> list[Stranger]:
        """The users and groups with its names that belong to others."""
        return [*self._users(states), *self._groups(states)]

    def adopted(self, states: AccountStates) -> frozenset[str]:
        """The users to take over."""
        strangers = self.strangers(states) if self.adopt else []
        return frozenset(item.user for item in strangers if item.user)

    def refusal(self, states: AccountStates) -> str:
        """Why its accounts cannot be created, with the next step; empty if they can."""
        strangers = self.strangers(states)
        things = " and ".join(item.text for item in strangers)
        hopeless = "; ".join(item.hopeless for item in strangers if item.hopeless)
        if hopeless:
            return f"{things}: {hopeless}; choose another name for the application"
        if strangers and not self.adopt:
            return (
                f"{things}: no run has made that; choose another name for the application, or take "
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
            suffix = f", members {', '.join(members)}" if members else ""
            low = f"gid {gid} is one of Debian's own" if gid < SYSTEM_IDS.start else ""
            yield Stranger(f"group {name} (gid {gid}{suffix})", None, low)


def _is_ours(wanted: User | None, current: UserState) -> bool:
    """Whether groundcrew created the user, recognised by its home, which no one else would choose.
    A run corrects other differences."""
    return wanted is not None and current.home == wanted.home and current.uid >= SYSTEM_IDS.start


def _user(current: UserState, states: AccountStates) -> str:
    groups = sorted(name for name, members in states.groups.items() if current.name in members)
    suffix = f", groups {', '.join(groups)}" if groups else ""
    return (
        f"user {current.name} (uid {current.uid}, home {current.home}, "
        f"shell {current.shell or '/bin/sh'}{suffix})"
    )


def _hopeless(current: UserState, states: AccountStates) -> str:
    """Why a user cannot be taken over: it would have more rights than an application's user."""
    if current.uid < SYSTEM_IDS.start:
        return f"uid {current.uid} is one of Debian's own"
    same = sorted(
        user.name
        for user in states.users.values()
        if user.uid == current.uid and user.name != current.name
    )
    return f"{', '.join(same)} has uid {current.uid} too" if same else ""
