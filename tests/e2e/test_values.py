"""One run with other values: what the running programs make of them, and what outlives it."""

from __future__ import annotations

import http.client
import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.e2e.harness import LabHost, pyinfra
from tests.e2e.test_web import status_and_headers

FORMAT = '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s" %(D)sμs'
SERVER = {
    "workers": 4,
    "worker_class": "sync",
    "timeout": 60,
    "graceful_timeout": 120,
    "keep_alive": 2,
    "max_requests": 2000,
    "max_requests_jitter": 100,
    "preload": True,
    "worker_connections": 1000,
    "limit_request_line": 8192,
    "limit_request_fields": 200,
    "limit_request_field_size": 8192,
    "log_level": "warning",
    "access_log": True,
    "access_log_format": FORMAT,
}
# What gunicorn itself calls them.
NAMES = {
    "keep_alive": "keepalive",
    "preload": "preload_app",
    "log_level": "loglevel",
    "access_log": "accesslog",
}
MODELS = {"gpt {4}": {"key": 'a "b" $HOME %n', "on": True}}
VALUES: dict[str, Any] = {
    "base.timezone": "Asia/Shanghai",
    "nginx.upstream_keepalive_timeout": 1,
    "nginx.worker_connections": 2048,
    "app.hello.server": SERVER,
    "app.hello.env": {"MODEL_CONFIG": MODELS, "APP_ENV": "production", "DEBUG": "false"},
    "app.hello.limits": {"cpu_quota": "200%", "memory_max": "1G", "tasks_max": 200},
    "app.hello.shared": ["data", "logs"],
    # A migration may take longer than a start.
    "app.hello.hooks.release": ["sleep 12 && echo migrated"],
    "app.hello.health.timeout": 11,
    "app.httpbin.nginx.client_max_body_size": "100M",
    "app.httpbin.nginx.buffering": False,
}
UWSGI = {
    "type": "uwsgi",
    "processes": 4,
    "threads": 2,
    "max_requests": 1000,
    "harakiri": 120,
    "reload_mercy": 10,
    "worker_reload_mercy": 10,
    "buffer_size": 32768,
    "post_buffering": 8192,
    "offload_threads": 2,
}
UNDER_UWSGI = {"app.hello.server": UWSGI, "app.hello.port": 9380}
MEGABYTE = 1000 * 1000


@pytest.fixture(scope="module")
def tuned(bookworm: LabHost) -> Iterator[LabHost]:
    run = pyinfra(bookworm.name, data=VALUES)
    assert run.status == 0, run.stderr
    assert pyinfra(bookworm.name, data=VALUES).changed == []
    yield bookworm
    back = pyinfra(bookworm.name)
    assert back.status == 0, back.stderr
    assert bookworm.out("cat /srv/hello/shared/data/kept") == "kept"
    assert bookworm.out("date +%Z") == "UTC"


@pytest.fixture(scope="module")
def under_uwsgi(bookworm: LabHost) -> Iterator[LabHost]:
    run = pyinfra(bookworm.name, data=UNDER_UWSGI)
    assert run.status == 0, run.stderr
    yield bookworm
    back = pyinfra(bookworm.name)
    assert back.status == 0, back.stderr


def main_process(host: LabHost) -> str:
    unit = f"hello@{host.live('hello')}.service"
    return host.out(f"systemctl show --property=MainPID --value {unit}")


def test_gunicorn_runs_with_these_values(tuned: LabHost) -> None:
    folder = "/srv/hello/current"
    gunicorn = f"../venv/bin/gunicorn --print-config --config {folder}/gunicorn.conf.py hello:app"
    # It refuses a configuration that it does not understand, and loads the application.
    text = tuned.out(f"sh -c 'cd {folder}/app && runuser -u hello -- {gunicorn}'")
    lines = dict(line.split(" = ", 1) for line in text.splitlines() if " = " in line)
    effective = {key.strip(): value for key, value in lines.items()}
    told = {**SERVER, "access_log": "-"}
    wanted = {NAMES.get(key, key): str(value) for key, value in told.items()}
    assert {key: effective[key] for key in wanted} == wanted
    assert effective["worker_tmp_dir"] == "/dev/shm"
    assert effective["control_socket_disable"] == "True"
    assert tuned.out(f"pgrep -c -P {main_process(tuned)}") == "4"


def test_its_access_log_goes_to_the_journal_unchanged(tuned: LabHost) -> None:
    tuned.get("/health?journal", "hello.test")
    unit = f"hello@{tuned.live('hello')}.service"
    for _ in range(20):
        line = tuned.out(f"journalctl -o cat -u {unit} | grep -F /health?journal || true")
        if line:
            break
        time.sleep(0.2)
    assert '"GET /health?journal HTTP/1.1" 200 ' in line
    assert line.endswith("μs")
    assert tuned.out("find /srv/hello -name 'gunicorn.ctl' -o -name '*.pid'") == ""


def test_the_process_gets_exactly_its_variables(tuned: LabHost) -> None:
    text = tuned.out(f"tr '\\0' '\\n' < /proc/{main_process(tuned)}/environ")
    variables = dict(line.split("=", 1) for line in text.splitlines())
    assert json.loads(variables["MODEL_CONFIG"]) == MODELS
    assert variables["APP_ENV"] == "production"
    assert variables["GREETING"] == "good morning"
    assert not {name for name in variables if name.lower().endswith("_proxy")}


def test_limits_are_those_of_the_kernel(tuned: LabHost) -> None:
    unit = f"hello@{tuned.live('hello')}.service"
    shown = tuned.out(f"systemctl show -p CPUQuotaPerSecUSec -p MemoryMax -p TasksMax {unit}")
    assert set(shown.splitlines()) == {
        "CPUQuotaPerSecUSec=2s",
        f"MemoryMax={1024**3}",
        "TasksMax=200",
    }


def test_shared_directories_are_the_applications_own(tuned: LabHost) -> None:
    tuned.out("runuser -u hello -- sh -c 'echo kept > /srv/hello/current/app/data/kept'")
    assert tuned.out("readlink -f /srv/hello/current/app/logs") == "/srv/hello/shared/logs"
    assert tuned.out("stat -c %U:%a /srv/hello/shared/data") == "hello:750"


def test_bodies_of_99_megabytes_pass_and_of_101_do_not(tuned: LabHost) -> None:
    names = {"Host": "httpbin.test"}
    large = {**names, "Content-Length": str(106 * MEGABYTE)}
    assert status_and_headers(tuned, "POST", "/status/200", large)[0] == 413
    # httpbin answers without reading and hangs up: nginx, which still sends, may see only that.
    answers = []
    for _ in range(3):
        connection = http.client.HTTPConnection(tuned.address, timeout=60)
        connection.request("POST", "/status/200", body=bytes(99 * MEGABYTE), headers=names)
        answers.append(connection.getresponse().status)
    assert set(answers) <= {200, 502}
    assert 200 in answers
    connection.close()


def test_streams_are_passed_on_as_they_come(tuned: LabHost) -> None:
    answer = tuned.get("/drip?duration=3&numbytes=4&delay=0", "httpbin.test", stream=True)
    first = next(answer.iter_content(1))
    early = time.monotonic()
    rest = answer.content
    assert len(first + rest) == 4
    # The others are sent during the three seconds after it.
    assert time.monotonic() - early > 1


def test_a_hook_has_a_time_of_its_own(tuned: LabHost) -> None:
    assert tuned.out("cat /srv/hello/current/hooks.log").splitlines()[-1] == "migrated"


def test_nginx_runs_with_its_values(tuned: LabHost) -> None:
    text = tuned.out("nginx -T")
    for line in (
        "worker_processes auto;",
        "worker_connections 2048;",
        "keepalive 32;",
        "gzip_comp_level 6;",
        "gzip_min_length 1000;",
        "keepalive_timeout 1s;",
    ):
        assert line in text


def test_the_time_zone(tuned: LabHost) -> None:
    assert tuned.out("date +%Z") == "CST"


def test_uwsgi_runs_with_these_values(under_uwsgi: LabHost) -> None:
    """uWSGI is strict: an option that it does not know ends it."""
    live = under_uwsgi.live("hello")
    journal = under_uwsgi.out(f"journalctl -o cat -u hello@{live}.service")
    assert "Operational MODE: preforking+threaded" in journal
    assert "for 8 cores" in journal
    long = {"Host": "hello.test", **{f"X-Long-{number}": "x" * 7000 for number in range(3)}}
    url = f"http://{under_uwsgi.address}:9380/"
    assert requests.get(url, headers=long, timeout=10).status_code == 200
    for worker in range(1, 5):
        assert re.search(rf"spawned uWSGI worker {worker} \(.*cores: 2\)", journal)
    config = under_uwsgi.out("cat /srv/hello/current/uwsgi.ini")
    for name, value in UWSGI.items():
        assert name == "type" or f"{name.replace('_', '-')} = {value}" in config.splitlines()


def test_a_killed_uwsgi_process_is_replaced(under_uwsgi: LabHost) -> None:
    main = main_process(under_uwsgi)
    before = under_uwsgi.out(f"pgrep -P {main}").split()
    under_uwsgi.out(f"kill -KILL {before[0]}")
    for _ in range(50):
        after = under_uwsgi.out(f"pgrep -P {main}").split()
        if len(after) == len(before) and before[0] not in after:
            break
        time.sleep(0.1)
    assert set(before[1:]) < set(after)
    assert len(after) == len(before)


def test_an_application_on_a_port_of_its_own(under_uwsgi: LabHost) -> None:
    url, names = f"http://{under_uwsgi.address}:9380/", {"Host": "hello.test"}
    assert "good morning" in requests.get(url, headers=names, timeout=10).text
    with pytest.raises(requests.ConnectionError):
        under_uwsgi.get("/", "hello.test")
    assert under_uwsgi.get("/get", "httpbin.test").status_code == 200
