"""Sends requests to an application: to its release's socket in HTTP or uWSGI's protocol, or to
nginx.

A library, sent to the host with the programs that import it. Standard library only, Python 3.9 or
later.
"""

from __future__ import annotations

import http.client
import os
import signal
import socket
import ssl
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple
from urllib.parse import unquote

BODY_LIMIT = 1 << 20
"""Maximum size in bytes of the part of a response that is kept."""


class SocketConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self) -> None:
        """Connects to the socket instead of a host."""
        self.sock = connected(self.path, self.timeout or 0)


class NginxConnection(http.client.HTTPConnection):
    """HTTP to nginx on this host; with `tls`, over TLS with `name` as the server name.

    The certificate is not verified: clients do that, and a new site has none of its own yet.
    """

    def __init__(self, port: int, name: str, tls: bool, timeout: float) -> None:
        super().__init__("127.0.0.1", port, timeout=timeout)
        self.name, self.tls = name, tls

    def connect(self) -> None:
        """Connects, and performs the TLS handshake."""
        super().connect()
        if self.tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            self.sock = context.wrap_socket(self.sock, server_hostname=self.name)


def connected(path: str, timeout: float) -> socket.socket:
    """A connection to a Unix socket. Raises OSError."""
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.settimeout(timeout)
    try:
        client.connect(path)
    except OSError:
        client.close()
        raise
    return client


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raises TimeoutError after `seconds`. A socket's own timeout starts anew with every byte, and
    a peer may send bytes for ever."""

    def late(*_: object) -> None:
        raise TimeoutError(f"no whole answer within {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class Answer(NamedTuple):
    """An application's response."""

    status: int
    body: bytes


def http_status(
    connection: http.client.HTTPConnection, url: str, headers: Mapping[str, str]
) -> int:
    """The status of a GET; the response is read to its end. Raises OSError and HTTPException."""
    return http_answer(connection, url, headers).status


def http_answer(
    connection: http.client.HTTPConnection, url: str, headers: Mapping[str, str]
) -> Answer:
    """The response to a GET, read to its end within the connection's timeout. Raises OSError and
    HTTPException."""
    with at_most(connection.timeout or 0):
        connection.putrequest("GET", url, skip_host=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        return whole(connection.getresponse())


def whole(answer: http.client.HTTPResponse) -> Answer:
    """A response, read to its end; only the first BODY_LIMIT bytes of its body are kept."""
    body = answer.read(BODY_LIMIT)
    while answer.read(1 << 16):
        pass
    return Answer(answer.status, body)


def uwsgi_request(url: str, headers: Mapping[str, str]) -> bytes:
    """A GET in uWSGI's protocol: CGI variables, each name and value prefixed with its length."""
    path, _, query = url.partition("?")
    variables = {
        "REQUEST_METHOD": "GET",
        "REQUEST_URI": url,
        "PATH_INFO": unquote(path, "latin-1"),
        "QUERY_STRING": query,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": headers["Host"],
        "SERVER_PORT": "80",
        "REMOTE_ADDR": "127.0.0.1",
        **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()},
    }
    texts = [text.encode("latin-1") for pair in variables.items() for text in pair]
    block = b"".join(struct.pack("<H", len(text)) + text for text in texts)
    return struct.pack("<BHB", 0, len(block), 0) + block


def uwsgi_answer(path: str, url: str, headers: Mapping[str, str], timeout: float) -> Answer:
    """The response to a GET in uWSGI's protocol; responses are HTTP."""
    client = connected(path, timeout)
    try:
        with at_most(timeout):
            client.sendall(uwsgi_request(url, headers))
            answer = http.client.HTTPResponse(client)
            answer.begin()
            return whole(answer)
    finally:
        client.close()


def socket_status(
    path: str, release: str, url: str, headers: Mapping[str, str], timeout: float
) -> int:
    """The status of the response from `socket_answer`."""
    return socket_answer(path, release, url, headers, timeout).status


def socket_answer(
    path: str, release: str, url: str, headers: Mapping[str, str], timeout: float
) -> Answer:
    """The response to a GET on the socket `path` of the release in the directory `release`.

    The release's directory determines the protocol, not today's settings: older releases keep
    theirs. Raises OSError and HTTPException.
    """
    if os.path.exists(os.path.join(release, "uwsgi.ini")):
        return uwsgi_answer(path, url, headers, timeout)
    connection = SocketConnection(path, timeout)
    try:
        return http_answer(connection, url, headers)
    finally:
        connection.close()
