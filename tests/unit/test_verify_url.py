"""`verify.url` against servers of this machine."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from groundcrew.results import json_report
from groundcrew.results.result import Check, Status
from groundcrew.roles.verify.client import raw_get
from groundcrew.roles.verify.expected import Gzip
from groundcrew.roles.verify.settings import VerifySettings
from groundcrew.roles.verify.site import check_url
from groundcrew.verify import outside
from groundcrew.verify.outside import connects, reach

SETTINGS = VerifySettings(timeout=5)
HEADERS = ("X-Frame-Options",)
GZIP = Gzip(1000, {"text/plain"})


class Handler(http.server.BaseHTTPRequestHandler):
    """A page at /, and pages that each break one promise."""

    def do_GET(self) -> None:
        if self.path.startswith("/loop"):
            return self.reply(302, Location="/loop2" if self.path == "/loop" else "/loop")
        if self.path == "/moved":
            return self.reply(301, Location="/")
        if self.path == "/bare":
            return self.reply(200)
        if self.path == "/missing":
            return self.reply(404, X_Frame_Options="DENY")
        return self.reply(200, X_Frame_Options="DENY", body=b"x" * (2000 * (self.path == "/long")))

    def reply(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response_only(status)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()


def check(url: str) -> dict[str, Check]:
    return {result.name: result for result in check_url(SETTINGS, url, HEADERS, GZIP)}


def test_a_good_page(server: str) -> None:
    results = check(f"{server}/")
    assert {result.status for result in results.values()} <= {Status.OK, Status.NOT_APPLICABLE}
    assert results["status"].status is Status.OK
    assert results["tls"].status is Status.NOT_APPLICABLE


@pytest.mark.parametrize(
    ("path", "name", "detail"),
    [
        ("/missing", "status", "404"),
        ("/bare", "security headers", "no X-Frame-Options"),
        ("/loop", "redirect", "ends nowhere"),
        ("/long", "gzip", "2000 bytes of text came uncompressed"),
    ],
)
def test_a_broken_promise(server: str, path: str, name: str, detail: str) -> None:
    result = check(f"{server}{path}")[name]
    assert result.status is Status.FAIL
    assert detail in result.detail


def test_a_redirect_is_followed(server: str) -> None:
    results = check(f"{server}/moved")
    assert results["redirect"].detail == f"{server}/moved -> {server}/"
    assert results["status"].status is Status.OK


def test_nobody_there() -> None:
    results = check("http://127.0.0.1:9/")
    assert results["status"].status is Status.FAIL
    assert "Connection refused" in results["status"].detail


def test_tls_where_there_is_none(server: str) -> None:
    results = check(server.replace("http:", "https:"))
    assert results["status"].status is Status.FAIL
    assert "SSL" in results["status"].detail


def test_a_connection_that_is_closed_is_told_from_one_that_is_refused(server: str) -> None:
    port = int(server.rsplit(":", 1)[1])
    assert raw_get(SETTINGS, "127.0.0.1", port, "x", {}).status == 200
    refused = raw_get(SETTINGS, "127.0.0.1", 9, "x", {})
    assert refused.error
    assert not refused.closed
    assert connects("127.0.0.1", port, 1) is not None
    assert connects("127.0.0.1", 9, 1) is None
    assert connects("no-such-name.invalid", 80, 1) is None
    reached, seconds = reach(["127.0.0.1"], [port, 9], 1)
    assert reached == {("127.0.0.1", port): True, ("127.0.0.1", 9): False}
    assert 0 < seconds < 0.1


def test_a_slow_address_has_the_time_that_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    """IPv6 may go through a tunnel. A port that is hidden there is waited for as long."""
    times = {"10.0.0.7": 0.001, "2001:db8::7": 0.35, "2001:db8::8": None}
    monkeypatch.setattr(outside, "connects", lambda address, *_: times[address])
    reached, seconds = reach(times, [22, 80], 1)
    assert seconds == 0.35
    assert reached["2001:db8::8", 22] is False


def test_no_result_is_lost_in_the_json_file(tmp_path: Path) -> None:
    path = tmp_path / "new" / "verify.json"
    json_report.record(str(path), "web1", [Check("a", Status.OK, "fine")])
    assert json.loads(path.read_text())["ok"] is True
    json_report.record(str(path), "web2", [Check("a", Status.FAIL, "bad")])
    report = json.loads(path.read_text())
    assert report["ok"] is False
    assert report["hosts"]["web1"] == {
        "ok": True,
        "checks": [{"name": "a", "status": "ok", "detail": "fine"}],
    }
    assert report["hosts"]["web2"]["ok"] is False
    assert [item.name for item in path.parent.iterdir()] == ["verify.json"]


@pytest.mark.parametrize("url", ["example.org", "ftp://example.org", "http://"])
def test_what_is_no_url(url: str) -> None:
    with pytest.raises(ValidationError):
        VerifySettings(url=url)
