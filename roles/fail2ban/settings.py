"""Settings of fail2ban."""

from __future__ import annotations

import ipaddress
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from groundcrew.contract import Brings, HostView, RoleSettings

Span = Annotated[str, StringConstraints(pattern=r"^[0-9]+[smhdw]?$")]
Network = Annotated[str, AfterValidator(lambda text: str(ipaddress.ip_network(text, False)))]


class Fail2banSettings(RoleSettings):
    """fail2ban: an address from which too many SSH logins fail reaches nothing for a while.

    It reads the journal, and bans in a table of its own in nftables. A connection that ends without
    a login counts once, however many keys or passwords were tried in it (`ssh.max_auth_tries`). An
    address from which somebody is logged in at that moment is never banned.
    """

    enabled: bool = True
    """Whether fail2ban is installed and set up. With false, one that is already there is left as it
    is."""

    max_retry: int = Field(5, ge=1)
    """Refused logins within `find_time` after which an address is banned.
    Source: <https://github.com/fail2ban/fail2ban/blob/master/config/jail.conf>."""

    find_time: Span = "10m"
    """Time in which refused logins are counted: seconds, or with s, m, h, d or w.
    Source: <https://github.com/fail2ban/fail2ban/blob/master/config/jail.conf>."""

    ban_time: Span = "10m"
    """Time for which an address is banned the first time: seconds, or with s, m, h, d or w. Each
    further ban of the address is longer. Source:
    <https://github.com/fail2ban/fail2ban/blob/master/config/jail.conf>."""

    max_ban_time: Span = "1d"
    """Longest time for which an address is banned: seconds, or with s, m, h, d or w."""

    ignore: tuple[Network, ...] = ()
    """Addresses and networks, IPv4 or IPv6, that are never banned, besides the host itself."""

    many_bans: int = Field(20, ge=1)
    """Number of bans within ten minutes above which an alert fires, if the host is monitored."""

    def brings(self, host: HostView) -> Brings:
        """See `roles/fail2ban/brings.py`."""
        from groundcrew.roles.fail2ban.brings import brings  # noqa: PLC0415 - it needs this module

        return brings(self, host)
