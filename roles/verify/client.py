"""Requests from the operator's machine."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Mapping
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict

from roles.verify.answer import Answer
from roles.verify.settings import VerifySettings

# Where it is not verified, that is on purpose.
urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
AGENT = {"User-Agent": "groundcrew-verify", "Accept": "*/*", "Accept-Encoding": "gzip"}


class Named(HTTPAdapter):
    """HTTPS to an address, asking for the site `name`; its certificate is judged by a check of its
    own (`roles.verify.certificate`)."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """With the name for every connection."""
        super().init_poolmanager(*args, server_hostname=self.name, **options)


def get(
    settings: VerifySettings,
    url: str,
    headers: Mapping[str, str] | None = None,
    proxy: bool = True,
    name: str | None = None,
) -> Answer:
    """A GET; redirects are not followed. `proxy`: by way of the one that the environment names.
    `name`: of the site, where an HTTPS URL has an address."""
    try:
        with requests.Session() as session:
            session.trust_env = proxy
            if name:
                session.mount("https://", Named(name))
                session.verify = False
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
    settings: VerifySettings,
    address: str,
    port: int,
    host: str,
    headers: Mapping[str, str],
    *,
    tls: bool = False,
) -> Answer:
    """A GET of / with exactly these headers, also malformed ones."""
    connection = http.client.HTTPConnection(address, port, timeout=settings.connect_timeout)
    try:
        connection.connect()
    except OSError as error:
        return Answer(error=reason(error))
    try:
        connection.sock.settimeout(settings.timeout)
        if tls:
            connection.sock = unverified().wrap_socket(connection.sock, server_hostname=host)
        connection.putrequest("GET", "/", skip_host=True, skip_accept_encoding=True)
        for name, value in {"Host": host, **headers}.items():
            connection.putheader(name, value)
        connection.endheaders()
        response = connection.getresponse()
        names: CaseInsensitiveDict[list[str]] = CaseInsensitiveDict()
        for name, value in response.getheaders():
            names.setdefault(name, []).append(value)
        return Answer(response.status, names, response.read())
    except (http.client.RemoteDisconnected, ConnectionResetError, ssl.SSLError) as error:
        return Answer(error=reason(error), closed=True)
    except (OSError, http.client.HTTPException) as error:
        return Answer(error=reason(error))
    finally:
        connection.close()


def unverified() -> ssl.SSLContext:
    """TLS with anybody."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def connects(address: str, port: int, timeout: float) -> bool:
    """Whether a TCP connection comes about."""
    try:
        with socket.create_connection((address, port), timeout=timeout):
            return True
    except OSError:
        return False
