"""What visitors, applications and the log get from nginx, seen from outside."""

from __future__ import annotations

import http.client
import io
import itertools
import re
import subprocess
import tarfile
import threading
import time
from collections.abc import Iterator, Mapping

import pytest
import requests

from groundcrew.entries import File, Link
from groundcrew.manifest.model import AppSettings
from groundcrew.roles.nginx.files import configuration
from groundcrew.roles.nginx.header_sets import site_headers
from groundcrew.roles.nginx.settings import NginxSettings
from tests.e2e.harness import ROOT, LabHost, pyinfra

DEFAULTS = NginxSettings()
STRICT = site_headers(NginxSettings(header_set="strict")).values
ERRORS = (400, 403, 404, 405, 413, 418, 429, 500, 503)


def status_and_headers(
    host: LabHost, method: str, path: str, headers: Mapping[str, str]
) -> tuple[int, list[tuple[str, str]], bytes]:
    """An answer with its headers as they came, to a request whose body is never sent."""
    connection = http.client.HTTPConnection(host.address, timeout=10)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, answer.getheaders(), body


def lacking(headers: list[tuple[str, str]], wanted: Mapping[str, str] | None = None) -> list[str]:
    """The security headers, those of the default set, that are not there once with their value."""
    wanted = wanted or site_headers(DEFAULTS).values
    return [
        name
        for name, value in wanted.items()
        if [v for n, v in headers if n.lower() == name.lower()] != [value]
    ]


def asked() -> Iterator[tuple[str, str, dict[str, str], int]]:
    """Requests that nginx or an application answers with every kind of status."""
    hello, other = {"Host": "hello.test"}, {"Host": "httpbin.test"}
    yield "GET", "/", hello, 200
    yield "GET", "/static/page.css", hello, 200
    yield "GET", "/nowhere", hello, 404
    yield "POST", "/", {**hello, "Content-Length": "0"}, 405
    yield "POST", "/", {**hello, "Content-Length": "11000000"}, 413
    yield "GET", "/", {**hello, "Cookie": "c" * 40000}, 400
    yield "GET", "/status/302", other, 302
    for status in ERRORS:
        yield "GET", f"/status/{status}", other, status


def test_security_headers_are_on_every_status(converged: LabHost) -> None:
    for method, path, headers, status in asked():
        got, answered, body = status_and_headers(converged, method, path, headers)
        assert got == status, path
        assert lacking(answered) == [], (method, path, status)
        assert dict(answered)["Server"] == "nginx"
        assert not re.search(rb"nginx/\d", body)


def test_security_headers_are_there_while_the_application_is_not(bookworm: LabHost) -> None:
    unit = f"hello@{bookworm.live('hello')}.service"
    bookworm.out(f"systemctl stop {unit}")
    try:
        got, answered, _ = status_and_headers(bookworm, "GET", "/", {"Host": "hello.test"})
    finally:
        bookworm.out(f"systemctl start {unit}")
    assert got == 502
    assert lacking(answered) == []
    assert bookworm.get("/", "hello.test").status_code == 200


def test_visitors_cannot_forge_what_applications_trust(converged: LabHost) -> None:
    forged = "192.0.2.66"
    names = (
        "X-Forwarded-For", "X-Real-Ip", "X-Forwarded-Proto", "X-Forwarded-Host", "Forwarded",
        "X-Forwarded-Port", "X-Forwarded-Prefix", "X-Script-Name", "Proxy", "X-Request-Id",
    )  # fmt: skip
    answer = converged.get(
        "/headers?show_env=1", "httpbin.test", headers=dict.fromkeys(names, forged)
    )
    seen: dict[str, str] = answer.json()["headers"]
    assert forged not in str(seen)
    assert seen["X-Forwarded-For"] == seen["X-Real-Ip"]
    assert seen["X-Forwarded-Proto"] == "http"
    assert seen["X-Forwarded-Host"] == seen["Host"] == "httpbin.test"
    assert forged not in str(answer.headers)


def test_a_request_has_one_id_everywhere_and_its_times_in_the_log(converged: LabHost) -> None:
    answer = converged.get("/headers?show_env=1", "httpbin.test")
    own = answer.headers["X-Request-ID"]
    assert re.fullmatch("[0-9a-f]{32}", own)
    assert answer.json()["headers"]["X-Request-Id"] == own
    line = converged.out(f"grep request_id={own} /var/log/nginx/httpbin.access.log")
    assert '"GET /headers?show_env=1 HTTP/1.1" 200 ' in line
    assert 'host="httpbin.test"' in line
    for name in ("uct", "uht", "urt"):
        assert re.search(rf'{name}="\d+\.\d+"', line), line
    assert re.search(r" rt=\d+\.\d+ ", line)
    assert (
        'upstream="unix:/run/groundcrew/nginx/httpbin/current.sock" upstream_status="200"' in line
    )


def test_unknown_names_get_no_answer(converged: LabHost) -> None:
    for name in ("unknown.test", converged.address, "hello.test.evil.test"):
        with pytest.raises(requests.ConnectionError):
            converged.get("/", name)
    assert converged.get("/", "hello.test").status_code == 200


def test_text_is_compressed_for_those_who_ask(converged: LabHost) -> None:
    plain = converged.get("/html", "httpbin.test", headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in plain.headers
    asks = {"Accept-Encoding": "gzip", "Via": "1.1 proxy"}
    small = converged.get("/html", "httpbin.test", headers=asks)
    assert small.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in small.headers["Vary"]
    assert small.text == plain.text
    assert "Content-Encoding" not in converged.get("/health", "hello.test", headers=asks).headers


def test_a_forced_rotation_loses_no_line(converged: LabHost) -> None:
    stop = threading.Event()
    sent: list[str] = []
    run = time.time_ns()

    def ask(client: int) -> None:
        session = requests.Session()
        for number in itertools.count():
            if stop.is_set():
                return
            mark = f"run={run}.{client}.{number}."
            url = f"http://{converged.address}/health?{mark}"
            session.get(url, headers={"Host": "hello.test"}, timeout=10)
            sent.append(mark)

    clients = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for client in clients:
        client.start()
    for _ in range(3):
        time.sleep(0.7)
        converged.out("logrotate --force /etc/logrotate.d/nginx")
    time.sleep(0.7)
    stop.set()
    for client in clients:
        client.join()
    lines = converged.out("zcat -f /var/log/nginx/hello.access.log*")
    logged = re.findall(rf"run={run}\.\d+\.\d+\.", lines)
    assert len(sent) > 100
    assert sorted(logged) == sorted(sent)
    files = converged.out("ls /var/log/nginx").split()
    assert {"hello.access.log", "hello.access.log.1", "hello.access.log.2.gz"} <= set(files)
    assert converged.out("find /var/log/nginx -type f -perm /o=rwx") == ""
    held = "find /proc/[0-9]*/fd -lname '/var/log/nginx/*(deleted)' 2>/dev/null"
    assert converged.out(f"{held} || true") == ""


def test_counters_are_for_the_host_itself_only(converged: LabHost) -> None:
    port = DEFAULTS.status_port
    script = (
        f"import urllib.request as u; print(u.urlopen('http://127.0.0.1:{port}/status').read())"
    )
    assert "Active connections" in converged.out(f'python3 -c "{script}"')
    with pytest.raises(requests.ConnectionError):
        requests.get(f"http://{converged.address}:{port}/status", timeout=2)
    assert converged.get("/status", "hello.test").status_code == 404


def test_nginx_accepts_what_the_manifests_here_do_not_use(converged: LabHost) -> None:
    common = {"source": {"directory": "src"}, "entry": "shop:app"}
    apps = {
        "shop": {"domains": ["shop.test"], "server": {"worker_class": "uvicorn"}, "port": 18080},
        "any": {"port": 18081, "nginx": {"headers": {"X-A": 'a "b"; c', "X-B": "c \\"}}},
        "old": {"domains": ["old.test", "*.old.test"], "server": {"type": "uwsgi"}, "port": 18080},
        "files": {"domains": ["files.test"], "static": {"path": "static"}, "port": 18080},
    }
    folder = "/root/nginx-test"
    models = {name: AppSettings.model_validate({**common, **app}) for name, app in apps.items()}
    entries = configuration(NginxSettings(gzip=False), models)
    converged.out(f"rm -rf {folder} && mkdir -p {folder}/log && cp /etc/nginx/mime.types {folder}")
    unpack(
        converged,
        folder,
        {
            entry.path.removeprefix("/etc/nginx/"): str(entry.content)
            .replace("/var/log/nginx", f"{folder}/log")
            .replace("/run/nginx", f"{folder}/nginx")
            for entry in entries
            if isinstance(entry, File)
        },
    )
    for entry in entries:
        if isinstance(entry, Link):
            path = entry.path.replace("/etc/nginx", folder)
            converged.out(f"ln -s {entry.target} {path}")
    converged.out(f"nginx -t -c {folder}/nginx.conf && rm -r {folder}")


def test_a_configuration_that_nginx_refuses_never_reaches_it(bookworm: LabHost) -> None:
    before = bookworm.out("nginx -T 2>/dev/null | sha256sum")
    # Each is well formed; together nginx refuses them.
    data = {"nginx.proxy_buffer_size": "64k", "nginx.proxy_buffers": "2 4k"}
    run = pyinfra(bookworm.name, data=data)
    assert run.status == 1
    assert "proxy_busy_buffers_size" in run.stderr
    assert bookworm.out("nginx -T 2>/dev/null | sha256sum") == before
    assert bookworm.get("/", "hello.test").status_code == 200


def unpack(host: LabHost, folder: str, files: Mapping[str, str]) -> None:
    """Files of a directory on the host."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for path, text in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    command = ["ssh", "--user", "deploy", host.name, "--", f"sudo tar -x -C {folder}"]
    subprocess.run([str(ROOT / "bin/lab"), *command], input=archive.getvalue(), check=True)
