"""What verify and status read about monitoring, and the test of the receivers. Runs on the host as
root. Standard library and `groundcrew.remote` only, Python 3.9 or later.

Request of `monitoring`: {"prometheus": port, "alertmanager": port, "targets": how many there are,
"rules": names of the alerts, "patience": seconds that all of it has to appear, "site": {"port",
"name"} of the dashboards' site, or null}.
Request of `send_test`: {"alertmanager": port, "seconds": how long messages may take, "kinds": of
receivers, "labels", "annotations": of the alert}.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import ssl
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # Types of the report, shared with what reads it; never sent to a host.
    from groundcrew.roles.monitoring.report import Answers, Monitoring, SentTest, Target

Data = dict[str, Any]
DATA = "/var/lib/prometheus/metrics2"
REQUESTS = "alertmanager_notification_requests_total"
FAILED = "alertmanager_notification_requests_failed_total"


def ask(port: int, path: str, body: Any = None) -> str:
    """What a server on loopback answers. Raises OSError unless it is good."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        method, text = ("GET", None) if body is None else ("POST", json.dumps(body))
        connection.request(method, path, text, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read().decode(errors="replace")
    finally:
        connection.close()
    if answer.status != 200:
        raise OSError(f"port {port}: {path} gave {answer.status}")
    return content


def monitoring(request: Data) -> Monitoring:
    """What is measured, which alerts there are, and how much disk it takes. Prometheus reads its
    configuration and its targets one after the other, so this waits for those that are missing."""
    deadline = time.monotonic() + request["patience"]
    while True:
        seen = look(request)
        if is_complete(request, seen) or time.monotonic() > deadline:
            return {**seen, "disk": size_of(DATA), "pages": pages(request)}
        time.sleep(0.5)


def pages(request: Data) -> list[str]:
    """What is wrong with the dashboards."""
    problems = []
    try:
        ask(request["prometheus"], "/user/panels.json")
        ask(request["prometheus"], "/user/chart.js")
    except OSError as error:
        problems.append(str(error))
    if request["site"]:
        status = without_login(request["site"])
        if status != "401":
            problems.append(f"without a login, their site answers {status} instead of 401")
    return problems


def without_login(site: Data) -> str:
    """The status of the site's page, or why there is none. The certificate is not judged here."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    name, place = site["name"], ("127.0.0.1", site["port"])
    request = f"GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n"
    try:
        with (
            socket.create_connection(place, 10) as plain,
            context.wrap_socket(plain, server_hostname=name) as secure,
        ):
            secure.sendall(request.encode())
            return secure.recv(64).decode("ascii", "replace").split(" ")[1]
    except (OSError, IndexError) as error:
        return f"nothing ({error})"


def is_complete(request: Data, seen: Answers) -> bool:
    """Whether everything is there and up."""
    return (
        len(seen["targets"]) >= request["targets"]
        and all(item["up"] for item in seen["targets"])
        and set(request["rules"]) <= set(seen["rules"])
        and seen["alertmanager"]
    )


def look(request: Data) -> Answers:
    """What Prometheus and Alertmanager say now."""
    port = request["prometheus"]
    groups = json.loads(ask(port, "/api/v1/rules"))["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    managers = json.loads(ask(port, "/api/v1/alertmanagers"))["data"]["activeAlertmanagers"]
    alerts = json.loads(ask(request["alertmanager"], "/api/v2/alerts?active=true"))
    return {
        "targets": read_targets(port),
        "rules": sorted(rule["name"] for rule in rules),
        "failing": [f"{rule['name']}: {rule['lastError']}" for rule in rules
                    if rule["health"] == "err"],
        "alertmanager": bool(managers),
        "alerts": [{key: alert["labels"].get(key, "") for key in
                    ("alertname", "instance", "app", "severity")} for alert in alerts],
    }  # fmt: skip


def read_targets(port: int) -> list[Target]:
    """What is measured."""
    answer = json.loads(ask(port, "/api/v1/targets?state=active"))
    return [
        {
            "job": item["labels"].get("job", ""),
            "instance": item["labels"].get("instance", ""),
            "app": item["labels"].get("app", ""),
            "up": item["health"] == "up",
            "error": item["lastError"],
        }
        for item in answer["data"]["activeTargets"]
    ]


def size_of(folder: str) -> int:
    """Bytes that a directory takes on disk. Files may come and go meanwhile."""
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(path, name)).st_blocks * 512
            except FileNotFoundError:
                continue
    return total


def counts(text: str, name: str) -> dict[str, float]:
    """A counter by the label `integration`."""
    totals: dict[str, float] = {}
    pattern = rf'^{name}{{[^}}]*integration="([a-z]+)"[^}}]*}} (\S+)$'
    for integration, value in re.findall(pattern, text, re.MULTILINE):
        totals[integration] = totals.get(integration, 0) + float(value)
    return totals


def send_test(request: Data) -> SentTest:
    """Sends an alert, and waits until messages about it have been sent or have failed. Returns how
    many of each, by kind of receiver."""
    port = request["alertmanager"]
    before = ask(port, "/metrics")
    began = time.time()
    times = {"startsAt": _written(began), "endsAt": _written(began + 60)}
    alert = {key: request[key] for key in ("labels", "annotations")}
    ask(port, "/api/v2/alerts", [{**alert, **times}])
    deadline = time.monotonic() + request["seconds"]
    while True:
        after = ask(port, "/metrics")
        sent, failed = (_more(before, after, name) for name in (REQUESTS, FAILED))
        if set(request["kinds"]) <= set(sent) or time.monotonic() > deadline:
            return {"sent": sent, "failed": failed}
        time.sleep(0.5)


def _written(moment: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))


def _more(before: str, after: str, name: str) -> dict[str, int]:
    old = counts(before, name)
    more = {key: int(value - old.get(key, 0)) for key, value in counts(after, name).items()}
    return {key: value for key, value in more.items() if value > 0}
