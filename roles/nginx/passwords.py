"""Password files in the format of nginx and crypt(3)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from pydantic import SecretStr

from groundcrew.manifest.model import AppSettings
from groundcrew.sha_crypt import sha512_crypt

Passwords = Mapping[tuple[str, str], SecretStr]
"""(key of `nginx.locations`, user) -> password."""


def password_files(name: str, app: AppSettings, passwords: Passwords) -> dict[str, str]:
    """Key of `nginx.locations` -> content of its file: a line per user, sorted."""
    return {
        key: "".join(
            f"{user}:{hashed(name, user, passwords[key, user])}\n"
            for user in sorted(rules.basic_auth)
        )
        for key, rules in app.nginx.locations.items()
        if rules.basic_auth is not None
    }


def hashed(name: str, user: str, password: SecretStr) -> str:
    """Hash of the password. The salt depends only on application and user, so that an unchanged
    password leaves the file unchanged; it reveals nothing about the password."""
    salt = hashlib.sha256(f"groundcrew {name} {user}".encode()).hexdigest()[:16]
    return sha512_crypt(password.get_secret_value(), salt)
