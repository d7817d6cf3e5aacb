"""Builds the commands that bring users and groups to their wanted state. Pure functions."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from groundcrew.facts.accounts import AccountStates, UserState


@dataclass(frozen=True)
class Group:
    """A group that exists and has at least these members."""

    name: str
    system: bool = True
    members: tuple[str, ...] = ()


@dataclass(frozen=True)
class User:
    """A user that exists; without `group`, its primary group has the user's name.

    `groups` are the groups that it must be a member of, possibly among others. The home directory
    is only created for people (`system=False`). The password is locked.
    """

    name: str
    system: bool
    home: str
    shell: str
    groups: tuple[str, ...] = ()
    group: str | None = None
    comment: str = ""


def commands(
    groups: Sequence[Group],
    users: Sequence[User],
    states: AccountStates,
    adopted: Collection[str] = (),
) -> list[str]:
    """Shell commands, in order; empty if everything is as wanted.

    Users in `adopted` belonged to someone else: they lose their password and their other groups.
    """
    wanted = [_groupadd(group) for group in groups if group.name not in states.groups]
    # A user whose shell does not exist cannot log in.
    wanted = [*_shells(users, states), *wanted]
    known = set(states.groups) | {group.name for group in groups}
    for user in users:
        current = states.users.get(user.name)
        if current is None:
            wanted.append(_useradd(user, own_group_exists=user.name in known))
        else:
            wanted += _usermod(user, current, adopted=user.name in adopted)
    return wanted + _memberships(groups, users, states)


def _shells(users: Sequence[User], states: AccountStates) -> list[str]:
    """Commands that fail if the host does not have a person's new shell."""
    wanted = {
        user.shell
        for user in users
        if not user.system
        and (user.name not in states.users or states.users[user.name].shell != user.shell)
    }
    return [
        f"test -x {shlex.quote(shell)} || {{ echo 'no shell {shell} on this host' >&2; exit 1; }}"
        for shell in sorted(wanted)
    ]


def _groupadd(group: Group) -> str:
    options = ["--system"] if group.system else []
    return shlex.join(["groupadd", *options, group.name])


def _useradd(user: User, own_group_exists: bool) -> str:
    group = user.group or (user.name if own_group_exists else None)
    return shlex.join(
        [
            "useradd",
            *(["--system", "--no-create-home"] if user.system else ["--create-home"]),
            f"--home-dir={user.home}",
            f"--shell={user.shell}",
            f"--comment={user.comment}",
            f"--gid={group}" if group else "--user-group",
            user.name,
        ]
    )


def _usermod(user: User, current: UserState, *, adopted: bool) -> list[str]:
    # In the same command as the home, which tells the next run who owns the user.
    options = ["--lock", "--groups="] if adopted else []
    options += [
        f"--{option}={wanted}"
        for option, wanted, actual in (
            ("home", user.home, current.home),
            ("shell", user.shell, current.shell),
            ("comment", user.comment, current.comment),
            ("gid", user.group or user.name, current.group),
        )
        if wanted != actual
    ]
    return [shlex.join(["usermod", *options, user.name])] if options else []


def _memberships(
    groups: Sequence[Group], users: Sequence[User], states: AccountStates
) -> list[str]:
    pairs = [(group.name, member) for group in groups for member in group.members]
    pairs += [(group, user.name) for user in users for group in user.groups]
    missing = [pair for pair in pairs if pair[1] not in states.groups.get(pair[0], frozenset())]
    return [shlex.join(["gpasswd", "--add", user, group]) for group, user in dict.fromkeys(missing)]
