"""Administrators: account, SSH keys, sudo. Applications' system users belong to the app role."""

from roles.users.deploy import apply
from roles.users.settings import UsersSettings

PACKAGES = ("sudo",)

__all__ = ["PACKAGES", "UsersSettings", "apply"]
