"""Requests from the operator's machine."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Mapping
from contextlib import nullcontext
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict

from groundcrew.roles.verify.answer import Answer
from groundcrew.roles.verify.settings import VerifySettings

# Certificates are left unverified only on purpose.
urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
AGENT = {"User-Agent": "groundcrew-verify", "Accept": "*/*", "Accept-Encoding": "gzip"}


PROXY = b"PROXY UNKNOWN\r\n"
"""Header of the PROXY protocol, version 1, without addresses."""


class Announced(urllib3.connection.HTTPConnection):
    """An HTTP connection that starts with the PROXY protocol."""

    def _new_conn(self) -> socket.socket:
        connection = super()._new_conn()
        connection.sendall(PROXY)
        return connection


class AnnouncedTls(Announced, urllib3.connection.HTTPSConnection):
    """An HTTPS connection that starts with the PROXY protocol."""


class AnnouncedPool(urllib3.HTTPConnectionPool):
    """A pool of such HTTP connections."""

    ConnectionCls = Announced


class AnnouncedTlsPool(urllib3.HTTPSConnectionPool):
    """A pool of such HTTPS connections."""

    ConnectionCls = AnnouncedTls


class Direct(HTTPAdapter):
    """Connects to an address; over HTTPS, requests the site `name`. Its certificate is checked
    elsewhere (`groundcrew.roles.verify.certificate`)."""

    def __init__(self, name: str | None, *, proxy_protocol: bool) -> None:
        self.name, self.proxy_protocol = name, proxy_protocol
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Sets the server name of all connections, and a context without the machine's authorities:
        loading them takes longer than the request."""
        if self.name:
            options["server_hostname"] = self.name
            options["ssl_context"] = unverified()
        super().init_poolmanager(*args, **options)
        if self.proxy_protocol:
            pools = {"http": AnnouncedPool, "https": AnnouncedTlsPool}
            self.poolmanager.pool_classes_by_scheme = pools


def direct(name: str | None, *, proxy_protocol: bool = False) -> requests.Session:
    """Requests to an address, without the web proxy of the environment. They share a connection.

    `name`: server name, if the URLs have HTTPS. `proxy_protocol`: whether the server expects the
    PROXY protocol.
    """
    session = requests.Session()
    session.trust_env = False
    # Cookies are not kept: each page is requested as by a first visitor.
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
    adapter = Direct(name, proxy_protocol=proxy_protocol)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    session.verify = not name
    return session


def get(
    settings: VerifySettings,
    url: str,
    headers: Mapping[str, str] | None = None,
    session: requests.Session | None = None,
) -> Answer:
    """Sends a GET request without following redirects; through the web proxy in the environment, if
    no session says otherwise."""
    try:
        with nullcontext(session) if session else requests.Session() as asking:
            response = asking.get(
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
    """The innermost cause of an error, for messages."""
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
    """Sends GET / with exactly these headers, even malformed ones."""
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
    """A TLS context that accepts any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
