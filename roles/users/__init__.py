"""Administrators: accounts, SSH keys, sudo. The app role creates applications' system users."""

from groundcrew.roles.users.brings import packages
from groundcrew.roles.users.deploy import apply
from groundcrew.roles.users.settings import UsersSettings

__all__ = ["UsersSettings", "apply", "packages"]
