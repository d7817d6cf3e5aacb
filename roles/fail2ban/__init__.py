"""Bans addresses with too many failed logins. The base role installs and starts it."""

from groundcrew.roles.fail2ban.builders import PACKAGES, entries, services
from groundcrew.roles.fail2ban.settings import Fail2banSettings

__all__ = ["PACKAGES", "Fail2banSettings", "entries", "services"]
