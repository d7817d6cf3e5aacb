"""The five examples on one host, by domain: what their documents ask for, seen from outside."""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from tests.e2e.five import DATA, FIVE, WRITTEN, manifest
from tests.e2e.harness import LabHost, pyinfra, traffic
from tests.e2e.test_web import STRICT, lacking, status_and_headers
from tests.e2e.websocket import websocket

MEGABYTE = 1000 * 1000


def units(host: LabHost, pattern: str) -> list[str]:
    """Names of active units."""
    listed = host.out(f"systemctl list-units --plain --no-legend --state=active '{pattern}'")
    return [line.split()[0] for line in listed.splitlines()]


def children(host: LabHost, unit: str) -> list[str]:
    """Process ids of a server's workers."""
    main = host.out(f"systemctl show -P MainPID {unit}")
    return host.out(f"pgrep -P {main}").split()


def effective(host: LabHost, app: str) -> dict[str, str]:
    """gunicorn's settings as it reads them itself."""
    entry = manifest(app)["entry"]
    gunicorn = f"../venv/bin/gunicorn --print-config --config ../gunicorn.conf.py {entry}"
    text = host.out(f"sh -c 'cd /srv/{app}/current/app && runuser -u {app} -- {gunicorn}'")
    pairs = (line.split(" = ", 1) for line in text.splitlines() if " = " in line)
    return {key.strip(): value for key, value in pairs}


def url(host: LabHost, path: str, port: int = 80) -> str:
    return f"http://{host.address}:{port}{path}"


def inside(host: LabHost, path: str, domain: str, method: str = "GET") -> str:
    """What the host itself gets from nginx."""
    script = (
        "import urllib.request as u; "
        f"r = u.Request('http://127.0.0.1{path}', headers={{'Host': '{domain}'}}, "
        f"method='{method}'); print(u.urlopen(r, timeout=20).read().decode(), end='')"
    )
    return host.out(f'python3 -c "{script}"')


def from_nginx(host: LabHost, app: str, answer: requests.Response) -> bool:
    """Whether nginx answered by itself, as its log says."""
    request = answer.headers["X-Request-ID"]
    line = host.out(f"grep request_id={request} /var/log/nginx/{app}.access.log")
    return 'upstream="-"' in line


def statuses(host: LabHost, path: str, domain: str, count: int, clients: int) -> Counter[int]:
    """How often each status came, of requests side by side."""

    def ask(_: int) -> int:
        return requests.get(url(host, path), headers={"Host": domain}, timeout=60).status_code

    with ThreadPoolExecutor(clients) as pool:
        return Counter(pool.map(ask, range(count)))


def size_that_passes(host: LabHost, app: str, path: str, size: int) -> None:
    """A body of this size is taken whole, one that is longer by 2 % is refused."""
    domain = manifest(app)["domains"][0]
    larger = {"Host": domain, "Content-Length": str(size * 102 // 100 + 5 * MEGABYTE)}
    assert status_and_headers(host, "POST", path, larger)[0] == 413
    connection = http.client.HTTPConnection(host.address, timeout=60)
    connection.request("POST", path, body=bytes(size), headers={"Host": domain})
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())) == (200, {"size": size})
    connection.close()


# All of them


def test_the_second_run_changes_nothing(examples: LabHost, examples_inventory: Path) -> None:
    again = pyinfra(examples.name, data=DATA, inventory=examples_inventory)
    assert again.status == 0, again.stderr
    assert again.changed == []
    assert pyinfra(examples.name, "--dry", data=DATA, inventory=examples_inventory).planned == []


def test_each_has_a_user_of_its_own_and_none_is_root(examples: LabHost) -> None:
    for name in FIVE:
        users = {
            examples.out(f"ps -o user:32= -p {pid}")
            for unit in units(examples, f"{name}*.service")
            for pid in examples.out(f"systemctl show -P MainPID {unit}").split()
        }
        assert users == {name}


def test_a_manifest_that_new_app_wrote_serves(examples: LabHost) -> None:
    answer = examples.get("/api/v1/search?word=x", f"{WRITTEN}.test")
    assert answer.json()["documents"] == []


# RAGFlow: Flask, long requests, task executors

RAGFLOW = {"Host": "ragflow.test"}


def ragflow(host: LabHost, method: str, path: str, **options: Any) -> Any:
    answer = requests.request(method, url(host, path, 9380), headers=RAGFLOW, timeout=20, **options)
    assert answer.ok, answer.text
    return answer.json()


def test_ragflow_runs_under_the_gunicorn_that_it_pins(examples: LabHost) -> None:
    assert examples.out("/srv/ragflow-like/current/venv/bin/gunicorn --version").endswith(
        "(version 21.2.0)"
    )
    [unit] = units(examples, "ragflow-like@*.service")
    cpus = int(examples.out("nproc"))
    assert len(children(examples, unit)) == 2 * cpus + 1
    assert "Using worker: sync" in examples.out(f"journalctl -o cat -u {unit}")
    values = effective(examples, "ragflow-like")
    wanted = {
        "timeout": "300",
        "graceful_timeout": "120",
        "keepalive": "30",
        "worker_connections": "1000",
        "max_requests": "1000",
        "max_requests_jitter": "50",
        "preload_app": "True",
        "limit_request_line": "8192",
        "limit_request_fields": "200",
        "limit_request_field_size": "8192",
        "accesslog": "-",
        "errorlog": "-",
        "proc_name": "ragflow-like",
    }
    assert {key: values[key] for key in wanted} == wanted


def test_ragflow_is_initialised_once_and_preloaded(examples: LabHost) -> None:
    first = ragflow(examples, "GET", "/v1/system/status")
    assert first["initialisations"] == 1
    assert first["loaded_in"] == first["parent"], "a worker imported it, not the master"
    assert first["proxies"] == []
    maps = examples.out(f"cat /proc/{first['process']}/maps")
    assert "libjemalloc.so.2" in maps


def test_ragflow_has_a_port_of_its_own(examples: LabHost) -> None:
    assert requests.get(url(examples, "/v1/system/healthz", 9380), headers=RAGFLOW, timeout=5).ok
    with pytest.raises(requests.ConnectionError):
        examples.get("/v1/system/healthz", "ragflow.test")


def test_ragflows_executors_share_the_work(examples: LabHost) -> None:
    executors = units(examples, "ragflow-like.executor@*")
    assert len(executors) == 2
    shown = examples.out(f"systemctl show -p StartLimitBurst -p RestartUSec {executors[0]}")
    assert set(shown.splitlines()) == {"StartLimitBurst=5", "RestartUSec=2s"}
    texts = {"texts": [f"one two three {number}" for number in range(12)]}
    ids = ragflow(examples, "POST", "/api/v1/tasks", json=texts)["ids"]
    for _ in range(40):
        tasks = [t for t in ragflow(examples, "GET", "/api/v1/tasks") if t["id"] in ids]
        if all(task["tokens"] for task in tasks):
            break
        time.sleep(0.2)
    assert {task["tokens"] for task in tasks} == {4}
    assert {task["executor"] for task in tasks} == {"1", "2"}


def test_ragflow_takes_large_uploads_and_long_answers(examples: LabHost) -> None:
    connection = http.client.HTTPConnection(examples.address, 9380, timeout=10)
    connection.putrequest("POST", "/v1/document/upload", skip_host=True)
    for name, value in {**RAGFLOW, "Content-Length": str(1024**3 + 1)}.items():
        connection.putheader(name, value)
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()
    taken = ragflow(examples, "POST", "/v1/document/upload", data=bytes(30 * MEGABYTE))
    assert taken == {"size": 30 * MEGABYTE}
    text = examples.out("cat /etc/nginx/sites-enabled/groundcrew-ragflow-like.conf")
    for line in ("proxy_read_timeout 3600s;", "proxy_send_timeout 3600s;", "proxy_buffering off;"):
        assert line in text


def test_ragflows_front_end_and_interface_share_a_name(examples: LabHost) -> None:
    def get(path: str) -> requests.Response:
        return requests.get(url(examples, path, 9380), headers=RAGFLOW, timeout=10)

    for path in ("/", "/knowledge/7"):
        assert "knowledge bases" in get(path).text
    assert "immutable" in get("/assets/page-5c1e9d07.css").headers["Cache-Control"]
    assert get("/v1/nothing").status_code == 404


# OpenDify: Flask in three instances, JSON in the environment, SSE

OPENDIFY = "opendify.test"


def test_opendifys_requests_are_spread_over_three_instances(examples: LabHost) -> None:
    unit_names = units(examples, "opendify-like@*.service")
    assert len(unit_names) == 3
    assert [len(children(examples, unit)) for unit in unit_names] == [4, 4, 4]
    masters = {examples.get("/v1/models", OPENDIFY).headers["X-Served-By"] for _ in range(12)}
    assert masters == {examples.out(f"systemctl show -P MainPID {unit}") for unit in unit_names}


def test_opendify_answers_while_an_instance_is_down(examples: LabHost) -> None:
    unit = units(examples, "opendify-like@*.service")[-1]
    with traffic(examples, "/v1/models", OPENDIFY) as counts:
        time.sleep(0.5)
        examples.out(f"systemctl kill --signal=KILL {unit}")
        time.sleep(1)
        assert len(units(examples, "opendify-like@*.service")) == 2
        for _ in range(50):
            if len(units(examples, "opendify-like@*.service")) == 3:
                break
            time.sleep(0.1)
        time.sleep(1)
    assert counts.failures == []
    assert counts.requests > 50
    assert len(units(examples, "opendify-like@*.service")) == 3


def test_opendify_gets_its_json_byte_for_byte(examples: LabHost) -> None:
    wanted = manifest("opendify-like")["env"]["MODEL_CONFIG"]
    assert inside(examples, "/v1/models/config", OPENDIFY) == wanted
    names = [item["id"] for item in examples.get("/v1/models", OPENDIFY).json()["data"]]
    assert names == list(json.loads(wanted))


def test_opendifys_gunicorn_and_limits(examples: LabHost) -> None:
    values = effective(examples, "opendify-like")
    wanted = {
        "workers": "4",
        "timeout": "60",
        "keepalive": "2",
        "max_requests": "2000",
        "max_requests_jitter": "100",
        "preload_app": "True",
        "access_log_format": manifest("opendify-like")["server"]["access_log_format"],
    }
    assert {key: values[key] for key in wanted} == wanted
    for unit in units(examples, "opendify-like@*.service"):
        shown = examples.out(f"systemctl show -p CPUQuotaPerSecUSec -p MemoryMax {unit}")
        assert set(shown.splitlines()) == {"CPUQuotaPerSecUSec=2s", f"MemoryMax={1024**3}"}


def test_opendifys_access_log_is_in_the_journal(examples: LabHost) -> None:
    examples.get("/v1/models?journal", OPENDIFY)
    for _ in range(20):
        line = examples.out("journalctl -o cat -u 'opendify-like@*' | grep -F '?journal' || true")
        if line:
            break
        time.sleep(0.2)
    assert '"GET /v1/models?journal HTTP/1.1" 200 ' in line
    assert line.endswith("μs")


def chat(host: LabHost, conversation: str, **more: Any) -> requests.Response:
    body = {
        "model": "gpt-4",
        "conversation_id": conversation,
        "messages": [{"role": "user", "content": "one two three"}],
        **more,
    }
    return requests.post(
        url(host, "/v1/chat/completions"),
        json=body,
        headers={"Host": OPENDIFY},
        timeout=20,
        stream=bool(more),
    )


def events(answer: requests.Response) -> list[tuple[str, float]]:
    """The data of server-sent events, and when each came."""
    started = time.monotonic()
    return [
        (line.removeprefix("data: "), time.monotonic() - started)
        for line in answer.iter_lines(chunk_size=1, decode_unicode=True)
        if line
    ]


def test_opendify_streams_as_it_answers(examples: LabHost) -> None:
    answer = chat(examples, "stream", stream=True)
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    lines = events(answer)
    assert [text for text, _ in lines][-1] == "[DONE]"
    assert len(lines) == 4
    assert lines[-1][1] - lines[0][1] > 0.6


def test_opendifys_instances_share_their_conversations(examples: LabHost) -> None:
    for number in range(6):
        assert chat(examples, f"conversation-{number}").status_code == 200
    script = (
        "import sqlite3; c = sqlite3.connect('/srv/opendify-like/shared/data/"
        "conversation_mappings.db'); print(*c.execute('SELECT count(*) FROM mapping WHERE "
        'conversation LIKE \\"conversation-%\\"\').fetchone())'
    )
    assert examples.out(f'python3 -c "{script}"') == "6"


def test_opendifys_mappings_are_not_public(examples: LabHost) -> None:
    for path in ("/v1/conversation/mappings", "/v1/models/config"):
        assert examples.get(path, OPENDIFY).status_code == 403
    assert isinstance(json.loads(inside(examples, "/v1/conversation/mappings", OPENDIFY)), dict)


def test_opendify_answers_10_requests_a_second(examples: LabHost) -> None:
    counts = statuses(examples, "/v1/nothing", OPENDIFY, 80, 16)
    assert counts[404] >= 10
    assert counts[429] > 10
    assert set(counts) == {404, 429}
    assert examples.get("/v1/models", OPENDIFY).status_code == 200, "health checks are not counted"


# AgentChat: FastAPI, a configuration file, WebSocket and SSE

AGENTCHAT = "agentchat.test"


def test_agentchat_has_four_uvicorn_workers(examples: LabHost) -> None:
    [unit] = units(examples, "agentchat-like@*.service")
    journal = examples.out(f"journalctl -o cat -u {unit}")
    assert "Using worker: uvicorn_worker.UvicornWorker" in journal
    assert "DeprecationWarning" not in journal
    assert len(children(examples, unit)) >= 4


def test_agentchats_tables_and_data_are_made_once(examples: LabHost) -> None:
    names = examples.get("/api/v1/tools", AGENTCHAT).json()
    assert names == ["search", "weather", "calculator", "translate", "mail"]
    assert examples.get("/health", AGENTCHAT).json() == {"status": "ok"}


def test_agentchats_configuration_file_is_rendered_and_private(examples: LabHost) -> None:
    path = "/srv/agentchat-like/current/app/agentchat/config.yaml"
    assert examples.out(f"stat -c %U:%G:%a {path}") == "root:agentchat-like:640"
    settings = yaml.safe_load(examples.out(f"cat {path}"))
    assert settings["server"]["name"] == "agentchat-like"
    password = settings["database"]["password"]
    assert len(password) >= 16
    told = [examples.get("/api/v1/settings", AGENTCHAT).json() for _ in range(8)]
    assert {item["password_sha256"] for item in told} == {
        hashlib.sha256(password.encode()).hexdigest()
    }
    assert password not in examples.out("cat /etc/systemd/system/agentchat-like*")
    assert password not in str(examples.first)


def test_agentchats_websocket_and_stream(examples: LabHost) -> None:
    with websocket(examples, "/api/v1/chat/ws", AGENTCHAT) as socket:
        assert socket.ask("hello") == "you said: hello"
        assert socket.ask("again") == "you said: again"
    lines = events(examples.get("/api/v1/chat/stream?text=one+two+three", AGENTCHAT, stream=True))
    assert [text for text, _ in lines] == ["one", "two", "three"]
    # The last is sent a second after the first.
    assert lines[-1][1] - lines[0][1] > 0.4


def test_agentchats_front_end_is_built_and_cached(examples: LabHost) -> None:
    page = examples.get("/", AGENTCHAT)
    assert page.headers["Cache-Control"] == "no-cache, no-store, must-revalidate"
    script, sheet = re.findall(r'"(/assets/index-[\w-]+\.(?:js|css))"', page.text)
    for path in (script, sheet):
        asset = examples.get(path, AGENTCHAT)
        assert asset.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert from_nginx(examples, "agentchat-like", asset)
    small = examples.get(script, AGENTCHAT, headers={"Accept-Encoding": "gzip"})
    assert small.headers["Content-Encoding"] == "gzip"
    assert "AgentChat" in small.text
    leftovers = examples.out(
        "find /srv/agentchat-like/frontend /srv/agentchat-like/releases -name vite"
    )
    assert leftovers == "", "what only the build needs is gone after it"


def test_agentchats_paths_go_where_they_belong(examples: LabHost) -> None:
    index = examples.get("/", AGENTCHAT).text
    for path in ("/chat", "/settings/profile"):
        assert examples.get(path, AGENTCHAT).text == index
    missing = examples.get("/api/v1/nothing", AGENTCHAT)
    assert (missing.status_code, missing.json()) == (404, {"detail": "Not Found"})
    assert examples.get("/assets/index-none.js", AGENTCHAT).status_code == 404
    assert examples.get("/.env", AGENTCHAT).status_code in (403, 404)
    # Not a constant of nginx's: without the application there is no health.
    assert not from_nginx(examples, "agentchat-like", examples.get("/health", AGENTCHAT))


def test_agentchats_security_headers_are_everywhere(examples: LabHost) -> None:
    script = re.findall(r'src="(/assets/[^"]+)"', examples.get("/", AGENTCHAT).text)[0]
    for path in ("/", script, "/api/v1/tools", "/api/v1/nothing", "/assets/none.js", "/.git/x"):
        status, headers, _ = status_and_headers(examples, "GET", path, {"Host": AGENTCHAT})
        assert lacking(headers, STRICT) == [], (path, status)
        assert dict(headers)["Server"] == "nginx"


def test_agentchat_takes_bodies_of_100_megabytes(examples: LabHost) -> None:
    large = {"Host": AGENTCHAT, "Content-Length": str(101 * 1024**2)}
    assert status_and_headers(examples, "POST", "/api/v1/tools", large)[0] == 413
    answer = requests.post(
        url(examples, "/api/v1/tools"),
        data=bytes(99 * MEGABYTE),
        headers={"Host": AGENTCHAT},
        timeout=60,
    )
    assert answer.status_code == 405


# Legacy PI: Django under uWSGI

LEGACYPI = "legacypi.test"


def test_legacypi_runs_under_uwsgi_with_its_values(examples: LabHost) -> None:
    [unit] = units(examples, "legacypi-like@*.service")
    workers = children(examples, unit)
    assert len(workers) == 4
    threads = [int(examples.out(f"ps -o nlwp= -p {pid}")) for pid in workers]
    assert min(threads) >= 4, "two for requests, two that send files"
    ini = examples.out("cat /srv/legacypi-like/current/uwsgi.ini").splitlines()
    for line in (
        "strict = true",
        "processes = 4",
        "threads = 2",
        "max-requests = 1000",
        "harakiri = 120",
        "buffer-size = 32768",
        "post-buffering = 8192",
        "offload-threads = 2",
        "reload-mercy = 10",
        "worker-reload-mercy = 10",
    ):
        assert line in ini


def test_legacypi_migrates_before_it_serves(examples: LabHost) -> None:
    path, headers = "/api/articles/", {"Host": LEGACYPI}
    title = f"written at {time.time()}"
    made = requests.post(url(examples, path), json={"title": title}, headers=headers, timeout=10)
    assert made.status_code == 201, made.text
    assert title in examples.get(path, LEGACYPI).json()["articles"]
    assert title in examples.get("/pi/", LEGACYPI).text


def test_legacypis_static_files_come_from_nginx(examples: LabHost) -> None:
    for path in ("/static/pi/page.css", "/static/admin/css/base.css"):
        answer = examples.get(path, LEGACYPI)
        assert answer.headers["Content-Type"] == "text/css"
        assert from_nginx(examples, "legacypi-like", answer)


def test_legacypis_administration_is_for_those_inside(examples: LabHost) -> None:
    for path in ("/admin/", "/admin/login/"):
        status, headers, _ = status_and_headers(examples, "GET", path, {"Host": LEGACYPI})
        assert (status, lacking(headers, STRICT)) == (403, [])
    assert "csrfmiddlewaretoken" in inside(examples, "/admin/login/", LEGACYPI)


def test_legacypis_media_are_kept_and_served_by_nginx(examples: LabHost) -> None:
    text = f"a note of {time.time()}"
    made = requests.post(
        url(examples, "/api/media/"), data=text, headers={"Host": LEGACYPI}, timeout=10
    )
    path = made.json()["url"]
    answer = examples.get(path, LEGACYPI)
    assert (answer.status_code, answer.text) == (200, text)
    assert from_nginx(examples, "legacypi-like", answer)
    kept = path.removeprefix("/media/")
    assert examples.out(f"cat /srv/legacypi-like/shared/media/{kept}") == text


def test_legacypis_cache_answers_for_a_second_and_only_for_strangers(examples: LabHost) -> None:
    def clock(**headers: str) -> tuple[str, int]:
        answer = examples.get("/api/clock/", LEGACYPI, headers=headers)
        return answer.headers.get("X-Cache-Status", ""), answer.json()["time"]

    # On a busy machine two requests may be further apart than a second.
    for _ in range(10):
        _, moment = clock()
        again = clock()
        if again == ("HIT", moment):
            break
    assert again == ("HIT", moment)
    time.sleep(1.2)
    # Whoever comes first after that second may get the old answer, while nginx asks for a new one.
    asked = [clock()[1]]
    while asked[-1] == moment and len(asked) < 20:
        time.sleep(0.25)
        asked.append(clock()[1])
    assert asked[-1] != moment
    for headers in ({"Cookie": "sessionid=1"}, {"Authorization": "Basic eDp5"}):
        own = [clock(**headers) for _ in range(3)]
        assert len({moment for _, moment in own}) == 3
        assert "HIT" not in {status for status, _ in own}


def test_legacypi_limits_rates_and_connections(examples: LabHost) -> None:
    counts = statuses(examples, "/api/articles/", LEGACYPI, 150, 24)
    assert counts[200] >= 40
    assert counts[429] > 10
    assert set(counts) == {200, 429}
    counts = statuses(examples, "/api/work/", LEGACYPI, 75, 75)
    assert counts[200] >= 50
    assert counts[429] > 5
    assert set(counts) == {200, 429}


def test_legacypi_takes_uploads_of_99_megabytes_and_none_of_107(examples: LabHost) -> None:
    size_that_passes(examples, "legacypi-like", "/api/upload/", 99 * MEGABYTE)


def test_legacypis_daily_job_is_planned_and_works(examples: LabHost) -> None:
    [timer] = units(examples, "legacypi-like.digest@*.timer")
    planned = examples.out(f"systemctl list-timers --no-legend {timer}")
    assert " 01:00:00 " in planned
    examples.out(f"systemctl start {timer.removesuffix('.timer')}.service")
    assert examples.get("/api/articles/", LEGACYPI).json()["digests"] == 1


# RAGAgent: FastAPI, an index file with a single writer

RAGAGENT = "ragagent.test"


def add(host: LabHost, text: str) -> str:
    answer = requests.post(
        url(host, "/api/v1/documents"), json={"text": text}, headers={"Host": RAGAGENT}, timeout=20
    )
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def search(host: LabHost, word: str) -> dict[str, Any]:
    return host.get(f"/api/v1/search?word={word}", RAGAGENT).json()


def test_ragagents_index_has_one_writer(examples: LabHost) -> None:
    [unit] = units(examples, "ragagent-like.indexer@*.service")
    assert len(units(examples, "ragagent-like@*.service")) == 1
    word = f"w{time.time_ns()}"
    with ThreadPoolExecutor(8) as pool:
        names = set(pool.map(lambda number: add(examples, f"{word} {number}"), range(8)))
    for _ in range(10):
        answer = search(examples, word)
        if set(answer["documents"]) == names:
            break
        time.sleep(1)
    assert set(answer["documents"]) == names
    assert str(answer["writer"]) == examples.out(f"systemctl show -P MainPID {unit}")
    second = "cd /srv/ragagent-like/current/app && runuser -u ragagent-like -- python3 indexer.py"
    done = examples.shell.run(second)
    assert (done.rc, "another writer" in done.stderr) == (1, True)


def test_ragagents_health_tells_the_host_alone(examples: LabHost) -> None:
    answer = examples.get("/api/v1/health", RAGAGENT)
    assert (answer.status_code, "not-for-the-public" in answer.text) == (403, False)
    assert json.loads(inside(examples, "/api/v1/health", RAGAGENT))["status"] == "ok"


def test_ragagent_waits_for_its_slow_start(examples: LabHost) -> None:
    [unit] = units(examples, "ragagent-like@*.service")
    assert "TimeoutStartUSec=2min" in examples.out(f"systemctl show -p TimeoutStartUSec {unit}")
    assert len(children(examples, unit)) >= 4


def test_ragagent_takes_requests_of_10_megabytes(examples: LabHost) -> None:
    size_that_passes(examples, "ragagent-like", "/api/v1/upload", 10 * MEGABYTE)


def test_one_that_eats_memory_is_stopped_and_its_neighbour_does_not_notice(
    examples: LabHost,
) -> None:
    [unit] = units(examples, "ragagent-like@*.service")
    limit = 600 * 1024**2
    assert examples.out(f"systemctl show -P MemoryMax {unit}") == str(limit)
    killed, used = "", []
    with traffic(examples, "/v1/models", OPENDIFY, pause=0.005) as counts:
        for _ in range(20):
            with suppress(AssertionError):
                inside(examples, "/api/v1/cache?megabytes=80", RAGAGENT, "POST")
            used.append(int(examples.out(f"systemctl show -P MemoryCurrent {unit}")))
            # Where systemd is told, it ends the whole unit; else gunicorn misses a worker.
            killed = examples.out(f"journalctl -o cat -u {unit} | grep -iE 'memory|oom' || true")
            if killed:
                break
        for _ in range(100):
            if examples.get("/api/v1/search?word=x", RAGAGENT).ok:
                break
            time.sleep(1)
        time.sleep(1)
    assert killed
    assert 200 * 1024**2 < max(used) <= limit
    assert counts.failures == []
    assert counts.requests > 100
    assert examples.get("/api/v1/search?word=x", RAGAGENT).ok


def test_ragagent_answers_60_requests_a_minute(examples: LabHost) -> None:
    counts = statuses(examples, "/api/v1/search?word=x", RAGAGENT, 90, 16)
    assert counts[429] > 30
    assert set(counts) <= {200, 429}
