"""Administrators: account, SSH keys, sudo. Applications' system users belong to the app role."""

from roles.users.deploy import apply
from roles.users.settings import UsersSettings

__all__ = ["UsersSettings", "apply", "packages"]


def packages(settings: UsersSettings) -> list[str]:
    """Debian packages of the role. Without its dictionary, pam_pwquality takes no password at
    all."""
    quality = ["libpam-pwquality", "cracklib-runtime"] if settings.logins.password_quality else []
    return ["sudo", *quality]
