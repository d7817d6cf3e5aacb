"""nginx where it faces balancers and visitors, seen by both."""

from __future__ import annotations

import json
import shlex
import shutil
import socket
import ssl
import time
from collections.abc import Iterator
from http.client import HTTPResponse, RemoteDisconnected
from typing import Any

import pytest
import requests

from tests.e2e.harness import ROOT, LabHost
from tests.e2e.test_sources import Project

SHOP, PLAIN = "shop.test", "plain.test"
LED = "/any/path?a=b&c=%20d"
STRANGER = "198.51.100.9"
APPS = ("shop", "evil", "mute", "plain")
PROXY = f"PROXY TCP4 {STRANGER} 192.0.2.1 4711 80\r\n"


def manifests(project: Project) -> None:
    """A site behind a balancer that ends TLS, which shares its name with two hostile applications,
    and a site with HTTPS of its own."""
    for name in APPS:
        site = PLAIN if name == "plain" else SHOP
        more: dict[str, Any] = {
            "source": {"directory": "src"},
            "requirements": False,
            "entry": "front:app",
            "domains": [site],
            "env": {"FRONT_NAME": name},
            "health": {"path": "/health"},
            "redirects": {f"www.{site}": site},
            "shared": ["sent"],
        }
        if name == "plain":
            more["tls"] = {"certificate": {"type": "self-signed"}}
            more["static"] = {"path": "static"}
        else:
            more["nginx"] = {"forwarded_proto": "https"}
        if name != "shop":
            more["prefix"] = "/" if name == "plain" else f"/{name}"
        if name in ("shop", "evil"):
            more["private"] = {"path": "files/secret", "url": "/protected/"}
        project.app(name, **more, server={"workers": 2, "timeout": 2})


def nginx(project: Project, **more: Any) -> None:
    """This machine is the balancer."""
    itself = f"{project.host.address.rpartition('.')[0]}.1"
    values = {"trusted_proxies": [itself], "balancer_check": {"app": "shop"}, **more}
    project.write("group_data/front.py", f"nginx = {values!r}\n")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, bookworm: LabHost) -> Iterator[Project]:
    project = Project(tmp_path_factory.mktemp("front"), bookworm)
    shutil.copytree(ROOT / "tests" / "front" / "src", project.root / "src")
    manifests(project)
    nginx(project)
    inventory = project.root / "inventory" / "prod.py"
    inventory.write_text(f"{inventory.read_text()}front = [{bookworm.name!r}]\n")
    # verify, which is part of it, asks as visitors do, and every answer is theirs.
    run = project.deploy(*APPS)
    assert run.status == 0, run.stderr
    for name in ("shop", "evil"):
        secret = f"/srv/{name}/shared/files/secret"
        bookworm.out(f"echo {name}s > {secret}/1.pdf; echo x > {secret}/.hidden")
        bookworm.out(f"ln -s /etc/passwd {secret}/link; chmod a+r {secret}/1.pdf")
    yield project
    project.leave(*APPS)


@pytest.fixture
def host(project: Project) -> LabHost:
    return project.host


def get(host: LabHost, path: str, name: str = SHOP, **headers: str) -> requests.Response:
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    return host.get(path, name, headers=named, allow_redirects=False)


def raw(
    host: LabHost, request: str, preface: str = "", tls: str | None = None
) -> HTTPResponse | None:
    """The answer to bytes; None where the connection is closed without one."""
    connection = socket.create_connection((host.address, 443 if tls else 80), timeout=10)
    connection.sendall(preface.encode())
    if tls:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = context.wrap_socket(connection, server_hostname=tls)
    with connection:
        connection.sendall(request.encode())
        answer = HTTPResponse(connection)
        try:
            answer.begin()
            answer.data = answer.read()  # type: ignore[attr-defined]
        except (RemoteDisconnected, ConnectionResetError):
            return None
        return answer


def asked(path: str, name: str = SHOP, **headers: str) -> str:
    lines = [f"GET {path} HTTP/1.1", f"Host: {name}", "Connection: close"]
    lines += [f"{key.replace('_', '-')}: {value}" for key, value in headers.items()]
    return "\r\n".join([*lines, "", ""])


def test_second_run_changes_nothing(project: Project) -> None:
    run = project.deploy(*APPS)
    assert run.status == 0, run.stderr
    assert run.changed == []


def test_a_balancer_that_ends_tls_need_not_say_so(host: LabHost) -> None:
    assert get(host, "/").json()["HTTP_X_FORWARDED_PROTO"] == "https"
    # What it says itself holds: the application leads to HTTPS.
    assert get(host, "/", X_Forwarded_Proto="http").status_code == 301
    # Of nobody else it does.
    program = (
        "import http.client as c; h = c.HTTPConnection('127.0.0.1'); "
        f"h.request('GET', '/', headers={{'Host': '{SHOP}', 'X-Forwarded-Proto': 'http'}}); "
        "print(h.getresponse().status)"
    )
    assert host.out(f"python3 -c {shlex.quote(program)}") == "200"


def test_a_balancer_asks_by_address_or_without_a_name(host: LabHost) -> None:
    for request in (
        asked("/health", host.address),
        "GET /health HTTP/1.0\r\n\r\n",
        asked("/health", "unknown.invalid"),
    ):
        answer = raw(host, request)
        assert answer is not None
        assert answer.status == 200
        assert json.loads(answer.data) == {"name": "shop", "host": SHOP}  # type: ignore[attr-defined]
    assert get(host, "/health").json()["name"] == "shop"
    # Nothing else is answered, and nobody else.
    assert raw(host, asked("/", host.address)) is None
    assert raw(host, asked("/health/x", host.address)) is None
    assert raw(host, asked("/health", host.address, X_Forwarded_For=STRANGER)) is None


def test_names_that_lead_to_another_keep_path_and_query(host: LabHost) -> None:
    answer = get(host, LED, f"www.{SHOP}")
    assert (answer.status_code, answer.headers["Location"]) == (308, f"https://{SHOP}{LED}")
    answer = get(host, LED, f"www.{PLAIN}")
    assert (answer.status_code, answer.headers["Location"]) == (308, f"https://{PLAIN}{LED}")
    led = raw(host, asked(LED, f"www.{PLAIN}"), tls=f"www.{PLAIN}")
    assert led is not None
    assert (led.status, led.headers["Location"]) == (308, f"https://{PLAIN}{LED}")
    assert led.headers["Strict-Transport-Security"]


def test_private_files_are_sent_when_the_application_says_so(host: LabHost) -> None:
    answer = get(host, "/lead?to=/protected/1.pdf")
    assert (answer.status_code, answer.text) == (200, "shops\n")
    assert answer.headers["Content-Type"] == "application/pdf"
    assert len(answer.raw.headers.getlist("X-Frame-Options")) == 1
    assert "X-Accel-Redirect" not in answer.headers
    for path in ("/protected/1.pdf", "/protected/", "/%70rotected/1.pdf", "//protected/1.pdf"):
        assert get(host, path).status_code == 404, path
    for path in ("/protected/.hidden", "/protected/none", "/protected/../1.pdf"):
        assert get(host, f"/lead?to={path}").status_code in (404, 500, 502), path
    assert get(host, "/lead?to=/protected/link").status_code == 403


def test_a_hostile_application_leads_nginx_to_nobody_else_s_files(host: LabHost) -> None:
    """One that hands out files of its own, and one that hands out none; all on one name."""
    assert get(host, "/evil/lead?to=/evil/protected/1.pdf").text == "evils\n"
    for path in (
        "/protected/1.pdf", "/%70rotected/1.pdf", "/evil/protected/../../protected/1.pdf",
        "/evil/protected/%2e%2e/%2e%2e/protected/1.pdf", "/health", "/", "@groundcrew",
        "/groundcrew-maintenance/shop.html", "/groundcrew-refused", "/mute/health",
    ):  # fmt: skip
        for name in ("evil", "mute"):
            answer = get(host, f"/{name}/lead?to={path}")
            assert "shops" not in answer.text, (name, path)
            if name == "evil":
                assert answer.status_code in (404, 500, 502), path
            else:
                assert answer.json()["name"] == "mute", path
    # The other way round too.
    assert get(host, "/lead?to=/evil/protected/1.pdf").status_code == 404


def test_hashed_static_files_are_kept_and_others_for_an_hour(host: LabHost) -> None:
    def kept(path: str) -> tuple[int, str]:
        answer = raw(host, asked(path, PLAIN), tls=PLAIN)
        assert answer is not None
        return answer.status, answer.headers["Cache-Control"]

    assert kept("/static/page.55e7cbb9ba48.css") == (200, "public, max-age=31536000, immutable")
    assert kept("/static/page.css") == (200, "max-age=3600")
    assert kept("/static/page.55e7cbb9ba49.css") == (404, "no-store")


def test_caches_are_told_of_what_the_application_compresses(host: LabHost) -> None:
    for said, told in {
        "": ["Accept-Encoding"],
        "?vary=Cookie": ["Cookie", "Accept-Encoding"],
        "?vary=accept-encoding,Cookie": ["accept-encoding,Cookie"],
    }.items():
        answer = get(host, f"/packed{said}")
        assert sorted(answer.raw.headers.getlist("Vary")) == sorted(told), said
        assert answer.json() == {"packed": True}


def test_a_request_that_outlives_its_server_is_sent_once(host: LabHost) -> None:
    sent = "/srv/shop/shared/sent/slow"
    host.out(f"rm -f {sent}")
    assert get(host, "/slow").status_code == 502
    time.sleep(1)
    assert host.out(f"cat {sent}") == "once"


def test_logs_are_for_those_who_administer_from_the_first_line(host: LabHost) -> None:
    def listing() -> set[str]:
        shown = host.out("stat -c '%a %G' /var/log/nginx/*.log")
        return set(shown.splitlines())

    assert listing() == {"640 adm"}
    assert int(host.out("wc -l < /var/log/nginx/shop.access.log")) > 0
    host.out("logrotate --force /etc/logrotate.d/nginx")
    get(host, "/health")
    assert listing() == {"640 adm"}
    # Also of files that nginx makes by itself.
    host.out("rm /var/log/nginx/plain.*; systemctl restart nginx")
    assert listing() == {"640 adm"}


def test_nginx_is_back_at_once_however_often_it_dies(host: LabHost) -> None:
    for _ in range(7):
        main = host.out("systemctl show --property=MainPID --value nginx")
        host.out(f"kill -KILL {main}")
        deadline = time.monotonic() + 10
        status = 0
        while status != 200 and time.monotonic() < deadline:
            try:
                status = get(host, "/health").status_code
            except requests.RequestException:
                time.sleep(0.05)
        assert status == 200
    assert host.out("systemctl is-active nginx") == "active"


def test_the_proxy_protocol(project: Project, host: LabHost) -> None:
    """Kept for last: it changes the host."""
    nginx(project, proxy_protocol=True)
    # Releases are probed by the host itself, and verify asks from here; both are green.
    run = project.deploy(*APPS)
    assert run.status == 0, run.stderr
    spoofed = {"X_Forwarded_For": "203.0.113.1", "X_Forwarded_Proto": "http"}
    seen = raw(host, asked("/", **spoofed), PROXY)
    assert seen is not None
    said = json.loads(seen.data)  # type: ignore[attr-defined]
    assert said["HTTP_X_FORWARDED_FOR"] == STRANGER
    # The client says that, not the balancer, which passes connections on.
    assert said["HTTP_X_FORWARDED_PROTO"] == "https"
    seen = raw(host, asked("/", PLAIN), PROXY, tls=PLAIN)
    assert seen is not None
    assert json.loads(seen.data)["HTTP_X_FORWARDED_FOR"] == STRANGER  # type: ignore[attr-defined]
    refused = raw(host, asked("/"))
    assert refused is None or refused.status == 400
    # Who is no balancer is who they are, whatever they announce.
    program = (
        f"import socket; s = socket.create_connection(('{host.address}', 80)); "
        f"s.sendall({(PROXY + asked('/')).encode()!r}); print(s.makefile().read())"
    )
    assert f'"HTTP_X_FORWARDED_FOR": "{host.address}"' in host.out(
        f"python3 -c {shlex.quote(program)}"
    )
    # The host itself asks without.
    program = (
        "import http.client as c; h = c.HTTPConnection('127.0.0.1'); "
        f"h.request('GET', '/health', headers={{'Host': '{SHOP}'}}); "
        "print(h.getresponse().status)"
    )
    assert host.out(f"python3 -c {shlex.quote(program)}") == "200"
    assert project.deploy(*APPS).changed == []
    nginx(project)
    run = project.deploy(*APPS)
    assert run.status == 0, run.stderr
    assert get(host, "/health").status_code == 200
