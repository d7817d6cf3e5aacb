"""Logins that hosts give each other, and what they report about their servers."""

from __future__ import annotations

from typing import TypedDict


class StoredLogin(TypedDict):
    """Directory of a login, and the file of the certificate that belongs to it; null for none."""

    store: str
    certificate: str | None


class GivenLogin(TypedDict):
    """The report of `groundcrew/remote/give_login.py`: a login, and the server's certificate."""

    user: str
    password: str
    certificate: str


class TakenLogin(GivenLogin):
    """What `groundcrew/remote/take_logins.py` stores: also the login's directory, and the path of
    the certificate."""

    store: str
    ca: str


class ServerReport(TypedDict):
    """The report of `groundcrew/remote/server_state.py`: lines by title, digests by directory of
    the login."""

    differences: dict[str, list[str]]
    digests: dict[str, str | None]
