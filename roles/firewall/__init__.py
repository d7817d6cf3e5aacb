"""Packet filter for IPv4 and IPv6: default deny, and it never cuts off the current session."""

from groundcrew.roles.firewall.brings import PACKAGES, TABLE
from groundcrew.roles.firewall.deploy import apply
from groundcrew.roles.firewall.settings import FirewallSettings

__all__ = ["PACKAGES", "TABLE", "FirewallSettings", "apply"]
