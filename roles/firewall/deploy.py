"""Operations of the packet filter."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from pyinfra import host
from pyinfra.api import deploy
from pyinfra.facts.server import Command

from groundcrew import transport
from groundcrew.operations import guard, nftables
from groundcrew.roles.firewall.brings import TABLE
from groundcrew.roles.firewall.builders import LockoutError, parse_session, ruleset
from groundcrew.roles.firewall.settings import FirewallSettings


@deploy("firewall")
def apply(settings: FirewallSettings) -> None:
    """Loads the packet filter, and keeps it only if the operator can still log in."""
    if not settings.enabled:
        nftables.removed(name="remove the packet filter", table=TABLE)
        return

    def content(ssh_ports: Sequence[int]) -> str:
        # Without `connections.install()` the session is unknown; sudo drops the variable.
        session = transport.session(host) or host.get_fact(
            Command, "echo $SSH_CONNECTION", _sudo=False
        )
        try:
            return ruleset(settings, ssh_ports, parse_session(session or ""), user_ids(settings))
        except LockoutError as error:
            raise guard.RefusedError(str(error)) from error

    nftables.ruleset(
        name="load the packet filter",
        table=TABLE,
        content=content,
        users=lambda: transport.login_users(host),
    )


def user_ids(settings: FirewallSettings) -> dict[str, int]:
    """The ids of the users that ports are reserved for, without those that do not exist. With their
    names, the packet filter could not be loaded once a user is gone."""
    names = sorted({user for users in settings.reserved.values() for user in users})
    if not names:
        return {}
    text = host.get_fact(Command, f"getent passwd {shlex.join(names)} || true") or ""
    fields = [line.split(":") for line in text.splitlines()]
    return {item[0]: int(item[2]) for item in fields if len(item) > 2}
