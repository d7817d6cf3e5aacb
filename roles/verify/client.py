"""Requests from the operator's machine."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Mapping

import requests
from requests.structures import CaseInsensitiveDict

from roles.verify.answer import Answer
from roles.verify.settings import VerifySettings

AGENT = {"User-Agent": "groundcrew-verify", "Accept": "*/*", "Accept-Encoding": "gzip"}


def get(
    settings: VerifySettings, url: str, headers: Mapping[str, str] | None = None, proxy: bool = True
) -> Answer:
    """A GET; redirects are not followed. `proxy`: by way of the one that the environment names."""
    try:
        with requests.Session() as session:
            session.trust_env = proxy
            response = session.get(
                url,
                headers={**AGENT, **(headers or {})},
                timeout=(settings.connect_timeout, settings.timeout),
                allow_redirects=False,
            )
    except requests.RequestException as error:
        return Answer(error=reason(error))
    raw = response.raw.headers
    names = CaseInsensitiveDict({name: list(raw.getlist(name)) for name in raw})
    return Answer(response.status_code, names, response.content)


def reason(error: BaseException) -> str:
    """The innermost cause of an error, which is what a person needs."""
    while cause := error.__cause__ or error.__context__:
        error = cause
    return f"{type(error).__name__}: {error}"


def raw_get(
    settings: VerifySettings, address: str, port: int, host: str, headers: Mapping[str, str]
) -> Answer:
    """A GET of / with exactly these headers, also malformed ones."""
    connection = http.client.HTTPConnection(address, port, timeout=settings.connect_timeout)
    try:
        connection.connect()
    except OSError as error:
        return Answer(error=reason(error))
    try:
        connection.sock.settimeout(settings.timeout)
        connection.putrequest("GET", "/", skip_host=True, skip_accept_encoding=True)
        for name, value in {"Host": host, **headers}.items():
            connection.putheader(name, value)
        connection.endheaders()
        response = connection.getresponse()
        names: CaseInsensitiveDict[list[str]] = CaseInsensitiveDict()
        for name, value in response.getheaders():
            names.setdefault(name, []).append(value)
        return Answer(response.status, names, response.read())
    except (http.client.RemoteDisconnected, ConnectionResetError) as error:
        return Answer(error=reason(error), closed=True)
    except (OSError, http.client.HTTPException) as error:
        return Answer(error=reason(error))
    finally:
        connection.close()


def connects(address: str, port: int, timeout: float) -> bool:
    """Whether a TCP connection comes about."""
    try:
        with socket.create_connection((address, port), timeout=timeout):
            return True
    except OSError:
        return False
