"""What nginx does for applications beyond passing requests, seen by clients."""

from __future__ import annotations

import base64
import json
import os
import shlex
import shutil
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from typing import Any

import pytest
import requests

from groundcrew.roles.nginx.header_sets import BASELINE, STRICT
from tests.e2e.harness import ROOT, LabHost, pyinfra, traffic
from tests.e2e.test_sources import Project

SITE = "edge.test"
UVICORN = {"worker_class": "uvicorn", "workers": 1}
KEY = {"X-Key": "let me in"}
END = "\r\n"
# Not every host has curl.
ASK = (
    "import http.client as c; h = c.HTTPConnection('127.0.0.1'); "
    "h.request('GET', '{path}', headers={{'Host': '{site}', **{headers}}}); "
    "print(h.getresponse().{read})"
)
SECURITY = ("Content-Security-Policy", "X-Content-Type-Options", "X-Frame-Options")


def manifests(project: Project) -> None:
    """One site of several applications: a front end with its API at `/`, others by prefix."""
    project.app(
        "edge",
        source={"directory": "spa"},
        requirements="requirements.txt",
        entry="edge_app:app",
        domains=[SITE],
        server=UVICORN,
        health={"path": "/health"},
        frontend={
            "directory": "web",
            "build": "none",
            "api": ["/api/", "/ws/", "/health", "/metrics"],
        },
        media={"path": "media"},
        nginx={
            "locations": {
                "/api/unbuffered/": {"buffering": False},
                "/api/kept/": {"cache": {"valid": 2}},
                "= /api/cookie": {"cache": {"valid": 60}},
                "= /api/private": {"cache": {"valid": 60}},
                "= /metrics": {"allow": ["192.0.2.0/24"]},
                "/api/limited/": {"rate_limit": {"rate": "1r/m", "burst": 2}},
                "/api/locked/": {"basic_auth": {"alice": {"env": "EDGE_PASSWORD"}}},
                "/api/locked/small/": {"client_max_body_size": "1K"},
                "/api/members/": {"auth_request": "/api/decide"},
                "/api/shared/": {
                    "cors": {"origins": ["https://friend.test"], "credentials": True},
                    "headers": {"X-Frame-Options": "SAMEORIGIN"},
                },
                "/closed/": {"deny": True},
                "/old/": {"return": {"status": 301, "url": "/new"}},
                "= /ping": {"return": {"status": 200, "text": "pong"}},
            }
        },
    )
    flask = {"source": {"directory": "below"}, "entry": "below:app", "domains": [SITE]}
    flask |= {"requirements": "requirements.txt", "health": {"path": "/health"}}
    rules = {"/guarded": {"auth_request": "/decide"}, "/kept": {"cache": {"valid": 60}}}
    project.app("shop", **flask, prefix="/shop", nginx={"locations": {"/free": {"limits": False}}})
    project.app(
        "desk",
        **flask,
        prefix="/desk",
        server={"type": "uwsgi", "processes": 1},
        nginx={"locations": rules, "rate_limit": {"rate": "100r/s"}, "connections": 2},
    )
    for name, server in {"wave": UVICORN, "tide": {"type": "uvicorn", "workers": 1}}.items():
        project.app(
            name,
            source={"directory": "spa"},
            requirements="requirements.txt",
            entry="edge_app:app",
            domains=[SITE],
            prefix=f"/{name}",
            server=server,
            nginx={"header_set": "strict", "report_only": name == "wave", "report_uri": "/csp"},
        )


FIRST = "// the first release's"
APPS = ("edge", "shop", "desk", "wave", "tide")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, bookworm: LabHost) -> Iterator[Project]:
    project = Project(tmp_path_factory.mktemp("edge"), bookworm)
    for name in ("spa", "below"):
        shutil.copytree(ROOT / "tests" / "edge" / name, project.root / name)
    assets = project.root / "spa" / "web" / "dist" / "assets"
    (assets / "same.js").write_text(FIRST)
    (assets / "same.js.br").write_bytes(b"as the build made it")
    project.env = {"EDGE_PASSWORD": "a fine secret"}
    manifests(project)
    # This machine is the load balancer, and speaks for clients whose addresses it makes up.
    itself = f"{project.host.address.rpartition('.')[0]}.1"
    limits = {"rate": "6r/m", "burst": 20, "delay": 20, "connections": 3, "allow": [itself]}
    nginx = {"trusted_proxies": [itself], "limits": limits, "brotli": True}
    project.write("group_data/edge.py", f"nginx = {nginx!r}\n")
    inventory = project.root / "inventory" / "prod.py"
    inventory.write_text(f"{inventory.read_text()}edge = [{project.host.name!r}]\n")
    run = project.deploy(*APPS)
    assert run.status == 0, run.stderr
    yield project
    project.leave(*APPS)


@pytest.fixture(scope="module")
def site(project: Project) -> Iterator[Site]:
    yield Site(project.host)


class Site:
    """Requests to the site."""

    def __init__(self, host: LabHost) -> None:
        self.host = host

    def get(self, path: str, method: str = "GET", **options: Any) -> requests.Response:
        headers = {"Host": SITE, **options.pop("headers", {})}
        url = f"http://{self.host.address}{path}"
        options = {"timeout": 10, "allow_redirects": False, **options}
        return requests.request(method, url, headers=headers, **options)

    def status(self, path: str, client: str) -> int:
        """What a client gets, by way of a load balancer."""
        return self.get(path, headers={"X-Forwarded-For": client}).status_code


def test_second_run_changes_nothing(project: Project) -> None:
    run = project.deploy(*APPS)
    assert run.status == 0, run.stderr
    assert run.changed == []


def test_pages_are_never_kept_and_assets_for_a_year(site: Site) -> None:
    for path in ("/", "/index.html", "/any/page/of/the/router"):
        answer = site.get(path)
        assert answer.status_code == 200, path
        assert "<title>front</title>" in answer.text
        assert answer.headers["Cache-Control"] == "no-cache, no-store, must-revalidate"
    asset = site.get("/assets/app-1111.js", headers={"Accept-Encoding": "gzip"}, stream=True)
    assert asset.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert asset.headers["Content-Encoding"] == "gzip"
    assert asset.headers["Vary"] == "Accept-Encoding"
    # Made when it was published, not for this request: its length is known.
    length = site.host.out("stat -c %s /srv/edge/frontend/current/assets/app-1111.js.gz")
    assert asset.headers["Content-Length"] == length
    plain = site.get("/assets/app-1111.js", headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in plain.headers
    assert plain.text.startswith("// one")
    assert site.get("/robots.txt").headers["Cache-Control"] == "no-cache"
    missing = site.get("/assets/app-9999.js")
    assert missing.status_code == 404
    assert missing.headers["Cache-Control"] == "no-store"
    for path in ("/.hidden", "/.git/config", "/assets/.x", "/any/.env"):
        assert site.get(path).status_code == 404, path


def test_brotli_and_gzip_for_those_who_ask(site: Site) -> None:
    long = {"X-Long": "x" * 1500}
    asset = "/assets/app-1111.js"
    for path in ("/api/x", "/shop/page/" + "x" * 1500, asset):
        # An asset is there in gzip already, made when it was published.
        both = "gzip" if path == asset else "br"
        asked = {"br": "br", "gzip, deflate, br": both, "gzip": "gzip", "identity": None}
        for accepted, used in asked.items():
            fields = {**long, "Accept-Encoding": accepted}
            answer = site.get(path, headers=fields, stream=True)
            assert answer.headers.get("Content-Encoding") == used, (path, accepted)
            assert "Accept-Encoding" in answer.headers["Vary"], (path, accepted)
    short = site.get("/ping", headers={"Accept-Encoding": "br"}, stream=True)
    assert "Content-Encoding" not in short.headers
    # Compressed by the build already.
    packed = site.get("/assets/same.js", headers={"Accept-Encoding": "br"}, stream=True)
    assert packed.headers["Content-Encoding"] == "br"
    assert packed.raw.read(decode_content=False) == b"as the build made it"


def test_api_paths_never_get_the_front_page(site: Site) -> None:
    for path in ("/api/nothing", "/api", "/health", "/ws/x"):
        assert site.get(path).json()["path"] == path


def test_security_headers_come_once_on_every_kind_of_answer(site: Site) -> None:
    paths = {
        "/": 200, "/assets/app-1111.js": 200, "/assets/x.js": 404, "/api/x": 200, "/metrics": 403,
        "/closed/x": 403, "/api/locked/": 401, "/ping": 200, "/old/x": 301, "/media/x": 404,
        "/shop/": 200, "/shop/nothing": 404, "/shop": 308, "/desk/guarded": 403,
    }  # fmt: skip
    for path, status in paths.items():
        answer = site.get(path)
        assert answer.status_code == status, path
        for name in SECURITY:
            assert len(answer.raw.headers.getlist(name)) == 1, (path, name)
        assert "X-Request-ID" in answer.headers, path
    too_large = site.get("/api/locked/small/", "POST", data=b"x" * 2000)
    assert too_large.status_code == 413
    assert "Content-Security-Policy" in too_large.headers


def test_the_baseline_lets_an_application_say_more(site: Site) -> None:
    policy = "Content-Security-Policy"
    for path in ("/api/x", "/robots.txt", "/ping", "/shop/nothing"):
        headers = site.get(path).headers
        assert headers[policy] == BASELINE[policy], path
        assert headers["X-Frame-Options"] == "SAMEORIGIN"
    own = site.get("/api/policy")
    assert own.raw.headers.getlist(policy) == ["script-src 'nonce-1'"]
    assert own.raw.headers.getlist("X-Frame-Options") == ["DENY"]
    assert own.headers["Referrer-Policy"] == BASELINE["Referrer-Policy"]
    # Whoever wants no frames by the older header gets none by the newer one.
    framed = site.get("/api/framed").headers[policy]
    assert framed == BASELINE[policy].replace("ancestors 'self'", "ancestors 'none'")


def test_the_strict_set_replaces_what_an_application_says(site: Site) -> None:
    policy = "Content-Security-Policy"
    reported = f"{STRICT[policy]}; report-uri /csp"
    for path in ("/tide/api/policy", "/tide/x"):
        answer = site.get(path)
        assert answer.raw.headers.getlist(policy) == [reported], path
        for name in STRICT.keys() - {policy}:
            assert answer.raw.headers.getlist(name) == [STRICT[name]], (path, name)
    # Tried out before it is enforced.
    answer = site.get("/wave/api/policy")
    assert answer.raw.headers.getlist(policy) == [BASELINE[policy]]
    assert answer.headers[f"{policy}-Report-Only"] == reported
    assert answer.headers["Cross-Origin-Embedder-Policy-Report-Only"] == "require-corp"
    assert "Cross-Origin-Embedder-Policy" not in answer.headers


def test_websockets_pass(site: Site) -> None:
    for path in ("/ws/echo", "/api/shared/ws", "/api/kept/ws", "/wave/ws", "/tide/ws"):
        assert websocket(site.host.address, path, "hello") == "echo hello", path
    # The application is asked whether it may pass, in a plain request.
    assert websocket(site.host.address, "/api/members/ws", "hello", **KEY) == "echo hello"


def test_events_arrive_when_they_are_sent(site: Site) -> None:
    with site.get("/api/unbuffered/events", stream=True) as answer:
        times = [time.monotonic() for line in answer.iter_lines() if line]
    assert len(times) == 3
    # The last is sent two seconds after the first.
    assert times[-1] - times[0] > 1


def test_constant_answers_and_closed_paths(site: Site) -> None:
    assert site.get("/ping").text == "pong"
    assert site.get("/old/x").headers["Location"] == "/new"
    for path in ("/closed/", "/closed", "//closed/x", "/%63losed/x", "/x%2f..%2fclosed/"):
        assert site.get(path).status_code in (400, 403), path
    # What nginx takes for another path than the application does.
    for path in ("/closed/../api/x", "/closed/..%2fapi/x", "/closed/%2e%2E/api/x"):
        assert raw_status(site.host.address, path) == 400, path
    assert raw_status(site.host.address, "/api/..x/y.?a=/../") == 200
    # Not for everybody, but for the host itself.
    assert site.get("/metrics").status_code == 403
    asked = ASK.format(site=SITE, path="/metrics", headers={}, read="status")
    own = site.host.out(f"python3 -c {shlex.quote(asked)}")
    assert own == "200"


def test_passwords(site: Site) -> None:
    assert site.get("/api/locked/x").status_code == 401
    assert site.get("/api/locked/x", auth=("alice", "wrong")).status_code == 401
    assert site.get("/api/locked/x", auth=("alice", "a fine secret")).status_code == 200
    # Rules of a shorter path hold for a longer one that has rules of its own.
    assert site.get("/api/locked/small/x").status_code == 401
    listing = site.host.out("stat -c '%a %U %G' /etc/nginx/groundcrew/users/edge.*")
    assert listing == "640 root www-data"
    assert "a fine secret" not in site.host.out("grep -r . /etc/nginx")


def test_the_application_decides(site: Site) -> None:
    assert site.get("/api/members/x").status_code == 401
    assert site.get("/api/members/x", headers=KEY).status_code == 200
    posted = site.get("/api/members/x", "POST", headers=KEY, data=b"x" * 5000)
    assert posted.json()["body"] == 5000
    assert site.get("/groundcrew-auth/edge/api/decide", headers=KEY).status_code == 404
    assert site.get("/desk/guarded").status_code == 403
    assert site.get("/desk/guarded", "POST", headers=KEY, data=b"x" * 5000).text == "POST 5000"


def test_one_request_more_than_allowed(site: Site) -> None:
    statuses = [site.status("/api/limited/x", "198.51.100.1") for _ in range(5)]
    assert statuses == [200, 200, 200, 429, 429]


def test_requests_at_the_same_time(site: Site) -> None:
    """Of an application that says how many, and of one that leaves it to the host."""
    for path, most in (("/desk/slow", 2), ("/shop/slow", 3)):
        with ThreadPoolExecutor(5) as pool:
            statuses = sorted(pool.map(lambda _: site.status(path, "198.51.100.2"), range(5)))  # noqa: B023
        assert statuses == [200] * most + [429] * (5 - most), path


def test_every_client_is_limited_and_no_other_notices(site: Site) -> None:
    def refused(path: str, *clients: str) -> int:
        return sum(site.status(path, clients[n % len(clients)]) == 429 for n in range(40))

    assert 0 < refused("/shop/", "198.51.100.3") < 20
    assert site.status("/api/x", "198.51.100.3") == 429
    assert site.status("/shop/", "198.51.100.4") == 200
    # One customer's network of IPv6 is one client, another one's is not.
    assert refused("/shop/", *(f"2001:db8:0:1::{n}" for n in range(1, 41))) > 0
    assert site.status("/shop/", "2001:db8:0:2::1") == 200
    # Files do not count, nor what is said not to, nor who is on the list.
    assert refused("/robots.txt", "198.51.100.5") == 0
    assert refused("/assets/app-1111.js", "198.51.100.5") == 0
    assert refused("/shop/free", "198.51.100.5") == 0
    assert sum(site.get("/shop/").status_code == 429 for _ in range(40)) == 0
    refusals = site.host.out("grep -c 'limiting requests, excess' /var/log/nginx/edge.error.log")
    assert int(refusals) > 0


def test_a_balancer_says_who_asks_and_nobody_else_does(site: Site) -> None:
    told = {"X-Forwarded-For": "192.0.2.66, 198.51.100.6", "X-Forwarded-Proto": "https"}
    told |= {"Forwarded": "for=192.0.2.66", "Proxy": "192.0.2.66", "X-Real-IP": "192.0.2.66"}
    answer = site.get("/api/x", headers=told)
    seen = answer.json()["headers"]
    assert (seen["x-forwarded-for"], seen["x-real-ip"]) == ("198.51.100.6", "198.51.100.6")
    assert seen["x-forwarded-proto"] == "https"
    assert "192.0.2.66" not in str(seen)
    own = answer.headers["X-Request-ID"]
    line = site.host.out(f"grep request_id={own} /var/log/nginx/edge.access.log")
    assert line.startswith("198.51.100.6 - ")
    for name in ("shop", "desk"):
        seen = site.get(f"/{name}/", headers=told).json()
        assert (seen["address"], seen["scheme"]) == ("198.51.100.6", "https"), name
        seen = site.get(f"/{name}/").json()
        assert seen["scheme"] == "http", name
    # A list of those who may is about the client, too.
    assert site.status("/metrics", "192.0.2.5") == 200
    assert site.status("/metrics", "192.0.2.5, 198.51.100.6") == 403
    # Who is no balancer is who they are.
    asked = ASK.format(site=SITE, path="/api/x", headers=told, read="read().decode()")
    seen = json.loads(site.host.out(f"python3 -c {shlex.quote(asked)}"))["headers"]
    assert (seen["x-forwarded-for"], seen["x-forwarded-proto"]) == ("127.0.0.1", "http")
    assert "198.51.100.6" not in str(seen)


@pytest.mark.parametrize("path", ["/api/kept/x", "/desk/kept"])
def test_micro_cache(site: Site, path: str) -> None:
    path = f"{path}?{time.time()}"
    first, second = site.get(path), site.get(path)
    assert (first.headers["X-Cache-Status"], second.headers["X-Cache-Status"]) == ("MISS", "HIT")
    assert first.text == second.text
    for header in ({"Cookie": "a=1"}, {"Authorization": "Bearer x"}):
        own = site.get(path, headers=header)
        assert own.headers["X-Cache-Status"] == "BYPASS"
        assert own.text != first.text
    assert site.get(path, "HEAD").status_code == 200
    assert site.get(path, "POST").headers.get("X-Cache-Status", "BYPASS") != "HIT"
    assert site.get(path).text == first.text


def test_what_belongs_to_one_visitor_is_not_kept(site: Site) -> None:
    for path in ("/api/cookie", "/api/private"):
        assert [site.get(path).headers["X-Cache-Status"] for _ in range(2)] == ["MISS", "MISS"]


def test_other_sites(site: Site) -> None:
    friend, stranger = {"Origin": "https://friend.test"}, {"Origin": "https://stranger.test"}
    answer = site.get("/api/shared/x", headers=friend)
    assert answer.headers["Access-Control-Allow-Origin"] == "https://friend.test"
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    assert answer.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert "Origin" in answer.headers["Vary"]
    answer = site.get("/api/shared/x", headers=stranger)
    assert not {"Access-Control-Allow-Origin", "Access-Control-Allow-Credentials"} & set(
        answer.headers
    )
    asked = site.get(
        "/api/shared/x", "OPTIONS", headers={**friend, "Access-Control-Request-Method": "POST"}
    )
    assert asked.status_code == 204
    assert "POST" in asked.headers["Access-Control-Allow-Methods"]
    # Without a preflight's headers it is a request like any other.
    assert site.get("/api/shared/x", "OPTIONS").json()["method"] == "OPTIONS"


@pytest.mark.parametrize("name", ["shop", "desk"])
def test_wsgi_below_a_prefix(site: Site, name: str) -> None:
    answer = site.get(f"/{name}/").json()
    assert (answer["script"], answer["path"]) == (f"/{name}", "/")
    assert answer["url"] == f"/{name}/page/a%20b"
    assert answer["static"] == f"/{name}/static/style.css"
    assert site.get(f"/{name}/page/a%2Fb%20c").text == "a/b c"
    assert site.get(f"/{name}/go").headers["Location"] == f"/{name}/"
    whole = site.get(f"/{name}?a=b")
    assert (whole.status_code, whole.headers["Location"]) == (308, f"/{name}/?a=b")


@pytest.mark.parametrize("name", ["wave", "tide"])
def test_asgi_below_a_prefix(site: Site, name: str) -> None:
    answer = site.get(f"/{name}/x/y").json()
    assert (answer["path"], answer["root_path"]) == (f"/{name}/x/y", f"/{name}")
    assert site.get("/api/x").json()["root_path"] == ""


def test_uploads(site: Site) -> None:
    for name in ("x.html", "x.svg", "x.png", "x.txt", "x.js", "sub/x.png"):
        site.get(f"/api/upload?{name}", "POST", data=b"<b>content</b>")
    site.get("/api/upload?.secret", "POST", data=b"x")
    site.get("/api/link")
    expected = {"x.html": True, "x.js": True, "x.svg": True, "x.png": False, "x.txt": False}
    for name, attached in expected.items():
        answer = site.get(f"/media/{name}")
        assert answer.status_code == 200, name
        assert ("attachment" in answer.headers.get("Content-Disposition", "")) == attached, name
        assert "sandbox" in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert site.get("/media/x.html").headers["Content-Type"] == "application/octet-stream"
    assert site.get("/media/sub/x.png").headers["Content-Type"] == "image/png"
    site.get("/api/tidy", "POST", data=b"tidy")
    assert site.host.out("stat -c %a /srv/edge/shared/media/year/month") == "750"
    assert site.get("/media/year/month/x.png").text == "tidy"
    assert site.get("/media/.secret").status_code == 404
    assert site.get("/media/link.txt").status_code == 403
    assert site.get("/media/").status_code == 403
    host = site.host
    assert host.shell.run("sudo -u www-data ls /srv/edge/shared/media").rc == 0
    for path in ("/srv/edge/shared", "/srv/edge/shared/home"):
        assert host.shell.run(f"sudo -u www-data ls {path}").rc != 0, path
    assert host.shell.run("sudo -u edge-build ls /srv/edge/shared").rc != 0


def test_front_end_follows_its_release(site: Site, project: Project) -> None:
    """Kept for last: it makes releases. An old page finds its assets, a rollback brings it back."""
    web = project.root / "spa" / "web" / "dist"
    before = (web / "index.html").read_text()
    (web / "index.html").write_text("<title>second</title>")
    (web / "assets" / "app-1111.js").rename(web / "assets" / "app-2222.js")
    # A name that should change and does not: nginx has the old file open.
    (web / "assets" / "same.js").write_text("// the second release's")
    assert site.get("/assets/same.js").text == FIRST
    with traffic(site.host, "/", SITE) as counts:
        run = project.deploy(*APPS)
    assert run.status == 0, run.stderr
    assert counts.failures == []
    assert counts.bodies == {before, "<title>second</title>"}
    assert "second" in site.get("/").text
    assert site.get("/assets/app-2222.js").status_code == 200
    assert site.get("/assets/app-1111.js").text.startswith("// one")
    time.sleep(1.5)
    assert site.get("/assets/same.js").text == "// the second release's"
    done = rollback(project)
    assert done.status == 0, done.stderr
    assert "<title>front</title>" in site.get("/").text
    assert site.get("/assets/app-2222.js").status_code == 200


def rollback(project: Project) -> Any:
    """Back to the release before."""
    return pyinfra(
        project.host.name,
        playbook="playbooks/rollback.py",
        data={"apps": list(APPS), "run": {"app": "edge"}},
        env=project.env,
        project=project.root,
    )


def raw_status(address: str, path: str) -> int:
    """The status of a request for a path exactly as it is given."""
    client = HTTPConnection(address, timeout=10)
    client.request("GET", path, headers={"Host": SITE})
    return client.getresponse().status


def websocket(address: str, path: str, text: str, **headers: str) -> str:
    """What a server answers to one text frame, over a connection of RFC 6455 by hand."""
    key = base64.b64encode(os.urandom(16)).decode()
    with socket.create_connection((address, 80), timeout=10) as client:
        client.sendall(
            f"GET {path} HTTP/1.1\r\nHost: {SITE}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            f"{''.join(f'{name}: {value}{END}' for name, value in headers.items())}\r\n".encode()
        )
        stream = client.makefile("rb")
        head = b""
        while (line := stream.readline()) not in (b"\r\n", b""):
            head += line
        assert head.startswith(b"HTTP/1.1 101 "), head
        mask, data = os.urandom(4), text.encode()
        masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(data))
        client.sendall(bytes([0x81, 0x80 | len(data)]) + mask + masked)
        first, length = stream.read(2)
        assert (first, length < 126) == (0x81, True)
        return stream.read(length).decode()
