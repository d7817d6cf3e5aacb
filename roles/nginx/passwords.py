"""Files of users and hashed passwords, as nginx and crypt(3) read them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from pydantic import SecretStr

from groundcrew.apps.model import AppSettings
from groundcrew.sha_crypt import sha512_crypt

Passwords = Mapping[tuple[str, str], SecretStr]
"""Key of `nginx.locations` and user -> password."""


def password_files(name: str, app: AppSettings, passwords: Passwords) -> dict[str, str]:
    """Key of `nginx.locations` -> the text of its file: a line for each user, sorted."""
    return {
        key: "".join(
            f"{user}:{hashed(name, user, passwords[key, user])}\n"
            for user in sorted(rules.basic_auth)
        )
        for key, rules in app.nginx.locations.items()
        if rules.basic_auth is not None
    }


def hashed(name: str, user: str, password: SecretStr) -> str:
    """The password's hash. Its salt is always the same for a user of an application, so that an
    unchanged password is an unchanged file, and says nothing about the password."""
    salt = hashlib.sha256(f"groundcrew {name} {user}".encode()).hexdigest()[:16]
    return sha512_crypt(password.get_secret_value(), salt)
