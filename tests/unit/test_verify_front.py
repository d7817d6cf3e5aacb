"""How verify asks behind balancers, and what it says of names that lead to another."""

from __future__ import annotations

import http.server
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
from requests.structures import CaseInsensitiveDict

from groundcrew.manifest.model import AppSettings
from groundcrew.roles.promises import nameless
from groundcrew.roles.verify.answer import Answer
from groundcrew.roles.verify.checks.redirects import problems
from groundcrew.roles.verify.client import PROXY, direct, get, raw_get
from groundcrew.roles.verify.outside import LED
from groundcrew.roles.verify.request import app_request
from groundcrew.roles.verify.settings import VerifySettings
from tests.unit.project import Project
from tests.unit.test_verify_checks import failures, good

SETTINGS = VerifySettings(timeout=5)


def app(**values: Any) -> AppSettings:
    base = {"source": {"directory": "src"}, "entry": "shop:app", "domains": ["shop.test"]}
    redirects = {"www.shop.test": "shop.test"}
    return AppSettings.model_validate({**base, "redirects": redirects, **values})


@pytest.mark.parametrize(
    ("status", "location", "right"),
    [
        (308, f"http://shop.test{LED}", True),
        (308, f"http://shop.test:8080{LED}", True),
        (301, f"http://shop.test{LED}", False),
        (308, "http://shop.test/", False),
        (308, f"https://shop.test{LED}", False),
        (308, f"http://www.shop.test{LED}", False),
        (200, "", False),
    ],
)
def test_a_name_that_leads_to_another(status: int, location: str, right: bool) -> None:
    answer = Answer(status, CaseInsensitiveDict({"Location": [location]}))
    reasons = problems(app(), "www.shop.test", answer)
    assert (reasons == []) == right
    if not right:
        assert f"expected 308 to http://shop.test{LED}" in reasons[0]


def test_behind_a_balancer_that_ends_tls_it_leads_to_https() -> None:
    answer = Answer(308, CaseInsensitiveDict({"Location": [f"https://shop.test{LED}"]}))
    behind = app(nginx={"forwarded_proto": "https"})
    assert problems(behind, "www.shop.test", answer) == []
    assert problems(behind, "www.shop.test", Answer(error="refused")) == ["refused"]
    assert app_request("shop", behind)["scheme"] == "https"
    assert app_request("shop", app())["scheme"] == "http"


def test_a_check_for_the_front_page_is_no_unknown_name(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.app(more="health: {path: /health}\n")
    project.groups["web"]["nginx"] = {"balancer_check": {"app": "shop"}}
    assert nameless(project.settings()) == frozenset()
    project.groups["web"]["nginx"] = {"balancer_check": {"app": "shop", "path": "/"}}
    assert nameless(project.settings()) == {"shop"}
    seen = good()
    site = replace(seen.sites["shop"], unknown=Answer(200))
    seen = replace(seen, sites={"shop": site})
    assert "shop: unknown name" in failures(seen)
    told = replace(seen.expected, nameless={"shop"})
    assert "shop: unknown name" not in failures(replace(seen, expected=told))


@contextmanager
def listening() -> Iterator[tuple[int, list[bytes]]]:
    """A server that notes what it gets, and answers."""
    received: list[bytes] = []

    def serve(server: socket.socket) -> None:
        for _ in range(2):
            client, _ = server.accept()
            with client:
                received.append(client.recv(4096))
                while b"\r\n\r\n" not in received[-1]:
                    received[-1] += client.recv(4096)
                client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,), daemon=True)
        thread.start()
        yield server.getsockname()[1], received
        thread.join(timeout=5)


@pytest.mark.parametrize("announced", [True, False])
def test_connections_begin_with_the_proxy_protocol_where_it_is_expected(announced: bool) -> None:
    with listening() as (port, received):
        with direct(None, proxy_protocol=announced) as session:
            one = get(SETTINGS, f"http://127.0.0.1:{port}/", session=session)
        two = raw_get(SETTINGS, "127.0.0.1", port, "x.test", {}, proxy_protocol=announced)
    assert (one.status, one.body, two.status) == (200, b"ok", 200)
    assert [item.startswith(PROXY + b"GET / ") for item in received] == [announced] * 2
    assert [item.startswith(b"GET / ") for item in received] == [not announced] * 2


class Counting(http.server.BaseHTTPRequestHandler):
    """Answers with a cookie, and notes the connection and the cookie that a request has."""

    protocol_version = "HTTP/1.1"
    seen: ClassVar[list[tuple[int, str | None]]] = []

    def do_GET(self) -> None:
        self.seen.append((self.client_address[1], self.headers.get("Cookie")))
        self.send_response(200)
        self.send_header("Set-Cookie", "visitor=1")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        """Nothing."""


def test_pages_share_a_connection_and_keep_no_cookies() -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Counting) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with direct(None) as session:
            for path in ("", "other"):
                address = f"http://127.0.0.1:{server.server_port}/{path}"
                assert get(SETTINGS, address, session=session).status == 200
        server.shutdown()
    assert len({connection for connection, _ in Counting.seen}) == 1
    assert [cookie for _, cookie in Counting.seen] == [None, None]
