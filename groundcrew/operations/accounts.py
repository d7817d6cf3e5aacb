"""Manages a host's users and groups, many in one command."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from pyinfra import host
from pyinfra.api import StringCommand, operation
from pyinfra.api.command import PyinfraCommand

from groundcrew.accounts import Group, User, commands
from groundcrew.facts.accounts import Accounts
from groundcrew.operations.guard import refuse
from groundcrew.read_first import reading_first
from groundcrew.takeover import Claim

__all__ = ["Group", "User", "manage"]


@operation()
@reading_first
def manage(
    groups: Sequence[Group] = (), users: Sequence[User] = (), claims: Sequence[Claim] = ()
) -> Generator[PyinfraCommand, None, None]:
    """Brings groups and users to their wanted state: one fact, and one command if any differs.

    Accounts and memberships that are not listed are left alone.

    + groups: groups that must exist, created before the users
    + users: users that must exist
    + claims: applications that own these accounts; existing accounts of others are refused, unless
      the application may take them over
    """
    states = host.get_fact(Accounts, reader="applications" if claims else "")
    refused = [reason for claim in claims if (reason := claim.refusal(states))]
    if refused:
        yield refuse("; ".join(refused))
        return
    adopted = {name for claim in claims for name in claim.adopted(states)}
    wanted = commands(groups, users, states, adopted)
    if wanted:
        yield StringCommand("\n".join(["set -e", *wanted]))
    else:
        host.noop(f"{len(groups)} groups and {len(users)} users are as they should be")
