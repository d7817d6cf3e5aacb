"""Settings of fail2ban."""

from __future__ import annotations

import ipaddress
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from groundcrew.model import Settings

Span = Annotated[str, StringConstraints(pattern=r"^[0-9]+[smhdw]?$")]
Network = Annotated[str, AfterValidator(lambda text: str(ipaddress.ip_network(text, False)))]


class Fail2banSettings(Settings):
    """fail2ban: an address from which too many SSH logins fail reaches nothing for a while.

    It reads the journal, and bans in a table of its own in nftables. A connection that ends without
    a login counts once, however many keys or passwords were tried in it (`ssh.max_auth_tries`). An
    address from which somebody is logged in at that moment is never banned.
    """

    enabled: bool = True
    """False: it is not installed; one that is there is left as it is."""

    max_retry: int = Field(5, ge=1)
    """Refused logins within `find_time` that lead to a ban."""

    find_time: Span = "10m"
    """Time over which they are counted."""

    ban_time: Span = "10m"
    """Time for which an address is banned; longer each time that it comes back."""

    max_ban_time: Span = "1d"
    """The longest that a ban gets."""

    ignore: tuple[Network, ...] = ()
    """Addresses and networks, IPv4 or IPv6, that are never banned, besides the host itself."""
