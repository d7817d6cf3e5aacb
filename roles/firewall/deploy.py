"""Operations of the packet filter."""

from __future__ import annotations

from pyinfra import host
from pyinfra.api import deploy
from pyinfra.facts.server import Command

from groundcrew import transport
from groundcrew.facts.nftables import NftablesState
from groundcrew.operations import guard, nftables
from roles.firewall.builders import LockoutError, parse_session, ruleset
from roles.firewall.settings import FirewallSettings

TABLE = "groundcrew"


@deploy("Firewall")
def apply(settings: FirewallSettings) -> None:
    """Loads the packet filter, and keeps it only if the operator can still log in."""
    if not settings.enabled:
        nftables.removed(name="Remove the packet filter", table=TABLE)
        return

    def content(state: NftablesState) -> str:
        # sudo drops SSH_CONNECTION, so this one is asked without.
        connection = host.get_fact(Command, "echo $SSH_CONNECTION", _sudo=False)
        try:
            return ruleset(settings, state.ssh_ports, parse_session(connection or ""))
        except LockoutError as error:
            raise guard.RefusedError(str(error)) from error

    nftables.ruleset(
        name="Load the packet filter",
        table=TABLE,
        content=content,
        users=lambda: transport.login_users(host),
    )
