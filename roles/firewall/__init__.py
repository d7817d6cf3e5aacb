"""Packet filter: IPv4 and IPv6, default deny, never cutting the session in use."""

from roles.firewall.deploy import TABLE, apply
from roles.firewall.settings import FirewallSettings

PACKAGES = ("nftables", "iproute2")

__all__ = ["PACKAGES", "TABLE", "FirewallSettings", "apply"]
