"""Users and groups of a host, many in one command."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from pyinfra import host
from pyinfra.api import StringCommand, operation

from groundcrew.accounts import Group, User, commands
from groundcrew.facts.accounts import Accounts

__all__ = ["Group", "User", "manage"]


@operation()
def manage(
    groups: Sequence[Group] = (), users: Sequence[User] = ()
) -> Generator[StringCommand, None, None]:
    """Makes groups and users what they should be: one fact, and one command if any differs.

    Accounts and memberships that are not listed are left alone.

    + groups: groups to have, created before the users
    + users: users to have
    """
    wanted = commands(groups, users, host.get_fact(Accounts))
    if wanted:
        yield StringCommand("\n".join(["set -e", *wanted]))
    else:
        host.noop(f"{len(groups)} groups and {len(users)} users are as they should be")
