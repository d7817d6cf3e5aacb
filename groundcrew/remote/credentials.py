"""Logins of bindings, as the host that provides them stores them. Only root can read them.

Of each binding there are two logins, `a` and `b`, one of which is active. `STORE/active` is a link
to the directory of that one, which has the files `user` and `password`. While `STORE/rotating`
exists, both may be used; it names the one that was active before. A library; standard library only,
Python 3.9 or later.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import string
from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple

FOLDER = "/var/lib/groundcrew/credentials"
"""Directory of the logins on hosts that provide or need something; only root can read it."""

LETTERS = ("a", "b")
LENGTH = 40
# No characters that URLs, SQL or configuration files would need to quote.
ALPHABET = string.ascii_letters + string.digits
ACTIVE = "active"
ROTATING = "rotating"
DATABASE = "database"
"""Name of the note with the name of a binding's database."""


class Login(NamedTuple):
    """One of the two logins of a binding."""

    user: str
    password: str
    enabled: bool
    """Whether applications may use it."""


def logins(store: str, account: str) -> list[Login]:
    """The logins of a binding; empty if they have not been made up yet."""
    active = _active(store)
    if active is None:
        return []
    both = rotating(store)
    return [
        Login(f"{account}_{letter}", _read(store, letter, "password"), both or letter == active)
        for letter in LETTERS
    ]


def make_logins(store: str, account: str) -> None:
    """Makes up the logins of a binding, unless they exist."""
    if _active(store) is not None:
        return
    for letter in LETTERS:
        _write_login(store, letter, account)
    point_at(store, LETTERS[0])


def rotate_logins(store: str, account: str) -> None:
    """Gives the inactive login a new password and makes it the active one. Both work until
    `finish_rotation`. A rotation that was interrupted continues with the login that it had begun
    with."""
    if not rotating(store):
        active = _active(store)
        assert active
        _write_login(store, _other(active), account)
        # From here on, both logins work; the link decides which one new releases get.
        _write(os.path.join(store, ROTATING), active)
    point_at(store, _other(_read(store, ROTATING)))


def finish_rotation(store: str) -> None:
    """Ends a rotation: only the active login works from now on."""
    with suppress(FileNotFoundError):
        os.unlink(os.path.join(store, ROTATING))


def rotating(store: str) -> bool:
    """Whether a rotation has begun and not ended."""
    return os.path.lexists(os.path.join(store, ROTATING))


def take_login(store: str, user: str, password: str) -> None:
    """Stores the active login of a binding that another host provides."""
    letter = user[-1]
    _make_folder(os.path.join(store, letter))
    _write(os.path.join(store, letter, "user"), user)
    _write(os.path.join(store, letter, "password"), password)
    point_at(store, letter)


def active_login(store: str) -> tuple[str, str] | None:
    """User and password of the active login; None if there is none."""
    try:
        return _read(store, ACTIVE, "user"), _read(store, ACTIVE, "password")
    except OSError:
        return None


def both_logins(store: str) -> tuple[tuple[str, str], tuple[str, str] | None]:
    """User and password of the active login and of the other; None if the other has never been
    here."""
    active = _active(store)
    assert active
    other = _other(active)
    current = (_read(store, active, "user"), _read(store, active, "password"))
    try:
        return current, (_read(store, other, "user"), _read(store, other, "password"))
    except OSError:
        return current, None


def digest(store: str, certificate: str | None) -> str | None:
    """A digest of the active login and of a certificate; None if one of them is missing. It tells
    nothing about a password of 40 random characters."""
    login = active_login(store)
    if login is None:
        return None
    content = "\0".join(login)
    if certificate:
        try:
            with open(certificate, encoding="ascii") as file:
                content += "\0" + file.read()
        except OSError:
            return None
    return hashlib.sha256(content.encode()).hexdigest()


def point_at(store: str, letter: str) -> None:
    """Makes a login the active one, by one rename."""
    staged = os.path.join(store, f".{ACTIVE}-{secrets.token_hex(4)}")
    os.symlink(letter, staged)
    os.replace(staged, os.path.join(store, ACTIVE))
    _sync(store)


def _other(letter: str) -> str:
    return next(item for item in LETTERS if item != letter)


def _active(store: str) -> str | None:
    try:
        return os.readlink(os.path.join(store, ACTIVE))
    except OSError:
        return None


def _write_login(store: str, letter: str, account: str) -> None:
    folder = os.path.join(store, letter)
    _make_folder(folder)
    _write(os.path.join(folder, "user"), f"{account}_{letter}")
    password = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
    _write(os.path.join(folder, "password"), password)


def _make_folder(path: str) -> None:
    """Makes a directory below FOLDER; nobody but root may enter any of them."""
    if not os.path.isdir(path):
        if path != FOLDER:
            _make_folder(os.path.dirname(path))
        else:
            os.makedirs(os.path.dirname(path), exist_ok=True)
        os.mkdir(path, 0o700)


def _read(*parts: str) -> str:
    with open(os.path.join(*parts), encoding="ascii") as file:
        return file.read()


def _write(path: str, text: str) -> None:
    """Replaces a file that only root can read, and syncs it to disk."""
    folder, name = os.path.split(path)
    staged = os.path.join(folder, f".{name}-{secrets.token_hex(4)}")
    descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(staged, path)
    _sync(folder)


def _sync(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def stores(service: str) -> list[str]:
    """The stores of all bindings of a service (`postgresql`, `redis.cache`), sorted."""
    folder = os.path.join(FOLDER, service)
    try:
        return [os.path.join(folder, name) for name in sorted(os.listdir(folder))]
    except OSError:
        return []


def of_application(service: str, app: str) -> list[str]:
    """The stores of an application's bindings of a service."""
    return [path for path in stores(service) if os.path.basename(path).partition(".")[0] == app]


def note(store: str, name: str, text: str) -> None:
    """Stores a text with the logins of a binding, such as the name of its database."""
    if noted(store, name) != text:
        _write(os.path.join(store, name), text)


def noted(store: str, name: str) -> str | None:
    """A text that is stored with the logins of a binding; None if there is none."""
    try:
        return _read(store, name)
    except OSError:
        return None


def databases_of(service: str, app: str, used: Iterable[str]) -> list[str]:
    """The databases that only an application's bindings of a service name, sorted. `used` are
    those that applications have now."""
    mine = of_application(service, app)
    others = {noted(store, DATABASE) for store in stores(service) if store not in mine}
    names = {noted(store, DATABASE) for store in mine} - others - {*used}
    return sorted(item for item in names if item)


def users_of(service: str, app: str) -> list[str]:
    """The names of an application's logins of a service."""
    return [
        login.user
        for store in of_application(service, app)
        for login in logins(store, account_of(store))
    ]


def forget(store: str) -> None:
    """Removes the logins of a binding from the host."""
    shutil.rmtree(store)


def account_of(store: str) -> str:
    """The beginning of the names of a store's logins."""
    return os.path.basename(store).replace(".", "_").replace("-", "_")
