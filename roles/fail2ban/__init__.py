"""Bans addresses from which too many logins fail; the role base installs and starts it."""

from roles.fail2ban.builders import PACKAGES, entries, services
from roles.fail2ban.settings import Fail2banSettings

__all__ = ["PACKAGES", "Fail2banSettings", "entries", "services"]
