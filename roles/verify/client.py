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


PROXY = b"PROXY UNKNOWN\r\n"
"""How a connection begins where nginx expects the PROXY protocol: it says nothing of anybody."""


class Announced(urllib3.connection.HTTPConnection):
    """A connection that begins with the PROXY protocol."""

    def _new_conn(self) -> socket.socket:
        connection = super()._new_conn()
        connection.sendall(PROXY)
        return connection


class AnnouncedTls(Announced, urllib3.connection.HTTPSConnection):
    """The same for HTTPS."""


class AnnouncedPool(urllib3.HTTPConnectionPool):
    """Of those connections."""

    ConnectionCls = Announced


class AnnouncedTlsPool(urllib3.HTTPSConnectionPool):
    """Of those connections."""

    ConnectionCls = AnnouncedTls


class Direct(HTTPAdapter):
    """To an address; over HTTPS it asks for the site `name`, whose certificate is judged by a check
    of its own (`roles.verify.certificate`)."""

    def __init__(self, name: str | None, *, proxy_protocol: bool) -> None:
        self.name, self.proxy_protocol = name, proxy_protocol
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """With the name for every connection."""
        if self.name:
            options["server_hostname"] = self.name
        super().init_poolmanager(*args, **options)
        if self.proxy_protocol:
            pools = {"http": AnnouncedPool, "https": AnnouncedTlsPool}
            self.poolmanager.pool_classes_by_scheme = pools


def get(
    settings: VerifySettings,
    url: str,
    headers: Mapping[str, str] | None = None,
    *,
    proxy: bool = True,
    name: str | None = None,
    proxy_protocol: bool = False,
) -> Answer:
    """A GET; redirects are not followed. `proxy`: by way of the one that the environment names.
    `name`: of the site, where an HTTPS URL has an address. `proxy_protocol`: whether the server
    expects it."""
    try:
        with requests.Session() as session:
            session.trust_env = proxy
            if name or proxy_protocol:
                adapter = Direct(name, proxy_protocol=proxy_protocol)
                session.mount("http://", adapter)
                session.mount("https://", adapter)
                session.verify = not name
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
    proxy_protocol: bool = False,
) -> Answer:
    """A GET of / with exactly these headers, also malformed ones."""
    connection = http.client.HTTPConnection(address, port, timeout=settings.connect_timeout)
    try:
        connection.connect()
    except OSError as error:
        return Answer(error=reason(error))
    try:
        connection.sock.settimeout(settings.timeout)
        if proxy_protocol:
            connection.sock.sendall(PROXY)
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
