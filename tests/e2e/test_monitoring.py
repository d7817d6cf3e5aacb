"""A host that monitors another one: what it measures, whom it tells, and who can see it."""

from __future__ import annotations

import functools
import json
import os
import re
import shlex
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests
import yaml

from groundcrew.metrics import Measured, Neighbour
from groundcrew.roles.monitoring import builders, dashboards
from tests.e2e.alerts import CASES, promtool, rules
from tests.e2e.harness import ROOT, LabHost, Run, good, inside, pyinfra, until
from tests.e2e.inbox import SECRET, Inbox, seen, served

WEB, MONITOR = "mon-web", "mon-host"
INVENTORY = """\
from groundcrew.lab import inventory as _lab

for _group, _hosts in _lab.running().items():
    globals()[_group] = [item for item in _hosts if item[0] in {names!r}]
postgresql = redis = web
mariadb = monitoring
"""
EXPORTERS = (
    "prometheus-node-exporter",
    "prometheus-blackbox-exporter",
    "groundcrew-metrics-traffic",
)
RECEIVERS = {
    "test": {"type": "webhook", "url": {"env": "TEST_WEBHOOK"}},
    "team": {"type": "dingtalk", "url": {"env": "TEST_CHAT"}, "key": {"env": "TEST_CHAT_KEY"}},
}
AT_ONCE = (
    "InodesFull", "LibrariesReplaced", "MariadbDown", "PostgresqlConnections", "RedisFull",
    "UnitFailed",
)  # fmt: skip
DASHBOARDS = "mon.test"
HELLO = 'probe_success{app="hello"}'
RATE = "groundcrew_requests_total"
QUICK = {
    "monitoring.dashboards": {
        "domains": [DASHBOARDS],
        "certificate": {"type": "self-signed"},
        "users": {"ops": {"env": "TEST_DASHBOARDS"}},
    },
    "monitoring.interval": 5,
    "monitoring.lasting": dict.fromkeys(AT_ONCE, 5),
    "monitoring.group_wait": 1,
    "monitoring.group_interval": 5,
    "metrics.patience": 5,
    "metrics.reboot_days": 0,
    "app.hello.slo.window": 30,
    "postgresql.max_connections": 40,
    "redis.instances.queue.maxmemory": "16M",
    "app.hello.release.drain": 0,
    "app.hello.release.check_window": 1,
}


END = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE query LIKE $$SELECT pg_sleep%$$ AND pid <> pg_backend_pid()
"""


@dataclass
class Site:
    """A host with an application, the host that monitors it, and what that has sent."""

    web: LabHost
    monitor: LabHost
    inventory: Path
    inbox: Inbox
    url: str
    first: Run | None = None

    def run(self, *options: str, playbook: str = "deploy.py", **data: Any) -> Run:
        return pyinfra(
            f"{WEB},{MONITOR}",
            *options,
            data={**QUICK, "monitoring.receivers": RECEIVERS, **data},
            playbook=playbook,
            inventory=self.inventory,
            env={
                "TEST_WEBHOOK": self.url,
                "TEST_CHAT": f"{self.url}/chat?token=1",
                "TEST_CHAT_KEY": f"key-{SECRET}",
                "TEST_DASHBOARDS": SECRET,
            },
        )

    def ask(self, path: str) -> Any:
        """What Prometheus answers on its own host."""
        url = f"http://127.0.0.1:9090/api/v1/{path}"
        program = f"import urllib.request as r; print(r.urlopen('{url}').read().decode())"
        return json.loads(self.monitor.out(f"python3 -c {shlex.quote(program)}"))["data"]

    def look(self, path: str, *options: str) -> tuple[int, str]:
        """Status and content of a path of the dashboards' site."""
        done = subprocess.run(
            ["curl", "-s", "--cacert", str(ROOT / ".groundcrew/ca/ca.pem"), "--path-as-is",
             "--connect-to", f"::{self.monitor.address}:", "-w", "\n%{http_code}", *options,
             f"https://{DASHBOARDS}{path}"],
            capture_output=True, text=True, timeout=30, check=True,
        )  # fmt: skip
        content, _, status = done.stdout.rpartition("\n")
        return int(status), content

    def firing(self) -> set[str]:
        """The alerts that fire."""
        alerts = self.ask("alerts")["alerts"]
        return {item["labels"]["alertname"] for item in alerts if item["state"] == "firing"}

    def answers(self) -> bool:
        """Whether the application answered when it was last asked."""
        [sample] = self.ask(f"query?query={quote(HELLO)}")["result"]
        return bool(sample["value"][1] == "1")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    web, monitor = LabHost(WEB, "bookworm"), LabHost(MONITOR, "trixie", group="monitoring")
    inventory = tmp_path_factory.mktemp("monitoring") / "inventory.py"
    inventory.write_text(INVENTORY.format(names=(WEB, MONITOR)))
    (inventory.parent / "group_data").mkdir()
    (inventory.parent / "group_data/web.py").write_text('apps_without = ["httpbin"]\n')
    inbox = Inbox()
    with ThreadPoolExecutor() as pool:
        list(pool.map(LabHost.up, (web, monitor)))
    try:
        with served(inbox, monitor) as url:
            site = Site(web, monitor, inventory, inbox, url)
            site.first = good(site.run())
            yield site
    finally:
        if not os.environ.get("GROUNDCREW_KEEP"):
            with ThreadPoolExecutor() as pool:
                list(pool.map(LabHost.down, (web, monitor)))


def connects(address: str, port: int) -> bool:
    """Whether this machine can connect."""
    try:
        with socket.create_connection((address, port), timeout=2):
            return True
    except OSError:
        return False


def reaches(host: LabHost, address: str, port: int, user: str = "root") -> bool:
    """Whether a user of the host can connect."""
    program = f"import socket; socket.create_connection(('{address}', {port}), 2)"
    done = host.shell.run(f"cd / && runuser -u {user} -- python3 -c {shlex.quote(program)}")
    return bool(done.rc == 0)


def test_the_first_run_is_green_and_the_second_changes_nothing(site: Site) -> None:
    assert site.first is not None
    told = site.first.stderr
    # Both hosts, the application, the dashboards, the traffic, the servers, Prometheus and
    # Alertmanager.
    assert re.search(r"monitoring: targets +ok +11 are up", told)
    assert re.search(r"monitoring: Alertmanager +ok +tells team, test", told)
    assert good(site.run()).changed == []
    assert good(site.run("--dry")).planned == []


def test_nobody_but_the_monitoring_host_reads_metrics(site: Site) -> None:
    for port in (3903, 9100, 9115, 9121, 9122, 9187):
        assert reaches(site.monitor, site.web.address, port)
        assert not connects(site.web.address, port)
    for port in (9090, 9093, 9094, 9100, 9104):
        assert not reaches(site.web, site.monitor.address, port)
    listening = [
        item.rpartition(":")[::2]
        for item in site.monitor.out("ss -Hltn | awk '{print $4}'").split()
    ]
    known = ("9090", "9093", "9094", "9100", "9104")
    ours = {place for place in listening if place[1] in known}
    assert ours == {("127.0.0.1", port) for port in ("9090", "9093", "9100", "9104")}


def test_other_users_of_the_host_neither_read_nor_silence(site: Site) -> None:
    assert reaches(site.monitor, "127.0.0.1", 9104, "prometheus")
    for port in (9090, 9093, 9104):
        assert port == 9104 or reaches(site.monitor, "127.0.0.1", port, "deploy")
        assert not reaches(site.monitor, "127.0.0.1", port, "nobody")


def test_the_address_of_a_receiver_is_in_no_output_and_no_readable_file(site: Site) -> None:
    assert site.first is not None
    planned = good(site.run("--dry", "--diff", **{"monitoring.repeat_interval": 7200}))
    assert "monitoring | files" in planned.planned
    for run in (site.first, planned):
        assert SECRET not in run.stdout + run.stderr
    places = "/etc /run/credentials /var/lib /proc/[0-9]*/cmdline"
    search = f"cd / && runuser -u {{}} -- grep -rls {SECRET} {places}"
    for user in ("nobody", "prometheus"):
        files = site.monitor.shell.run(search.format(user)).stdout.split()
        # The search itself.
        assert [path for path in files if not path.endswith("/cmdline")] == []
    assert site.monitor.out(f"grep -rls {SECRET} /etc/groundcrew").endswith("/alertmanager.yml")
    shown = site.monitor.out("systemctl show prometheus-alertmanager prometheus")
    assert SECRET not in shown


def test_agents_take_little_memory(site: Site) -> None:
    def total(key: str) -> int:
        shown = f"systemctl show --property={key} --value"
        return sum(int(site.web.out(f"{shown} {unit}")) for unit in EXPORTERS)

    used, allowed = total("MemoryCurrent"), total("MemoryMax")
    assert used <= allowed <= 60_000_000, f"{used} of {allowed} bytes"


def test_the_dashboards_ask_for_a_login_and_show_what_is_measured(site: Site) -> None:
    assert site.look("/")[0] == 401
    assert site.look("/", "-u", "ops:wrong")[0] == 401
    assert site.look("/api/v1/query?query=up")[0] == 401
    login = ("-u", f"ops:{SECRET}")
    for name in ("", *dashboards.PAGES[1:], "panels.json", "chart.js"):
        status, content = site.look(f"/{name}", *login)
        assert (status, bool(content)) == (200, True), name
    # Nothing else of Prometheus, and nothing that changes anything.
    for path in ("/api/v1/status/config", "/graph", "/..%2fapi/v1/targets", "/%2e%2e/graph"):
        assert site.look(path, *login)[0] in {400, 404}, path
    assert site.look("/api/v1/query?query=up", "-X", "POST", *login)[0] == 403
    with Visitors(site, "/"):
        until(lambda: "2xx" in site.look(f"/api/v1/query?query={quote(RATE)}", *login)[1])
    now = int(time.time())
    data = json.loads(site.look("/panels.json", *login)[1])
    assert [item["name"] for item in data["boards"]] == [
        "fleet", "host", "application", "databases"
    ]  # fmt: skip
    empty = set()
    for panel in (panel for board in data["boards"] for panel in board["panels"]):
        series = []
        for query in panel["queries"]:
            expression = filled(query)
            asked = f"query={quote(expression)}&start={now - 60}&end={now}&step=5"
            status, content = site.look(f"/api/v1/query_range?{asked}", *login)
            assert status == 200, f"{panel['title']}: {content}"
            series += json.loads(content)["data"]["result"]
        if not series and panel["kind"] in {"lines", "stacked"}:
            empty.add(panel["title"])
    # No replica, nobody who asks a cache or a database, and no pressure in some kernels.
    assert empty <= {
        "MariaDB: pages read from its own memory",
        "PostgreSQL: replicas behind",
        "Redis: keys that were there when asked for",
        "Waiting for CPU, memory and disks",
    }


def filled(query: dict[str, Any]) -> str:
    """An expression as the page fills it for all hosts and applications."""
    text = str(query["expression"])
    values = {
        "$hosts": query["all"], "$apps": 'app=~".+"', "$window": "20s", "$step": "5s",
    }  # fmt: skip
    for key, value in values.items():
        text = text.replace(key, value)
    return text


def test_a_test_alert_arrives(site: Site) -> None:
    good(site.run(playbook="playbooks/alert_test.py"))
    assert site.inbox.alerts("Test")
    # Alertmanager does not know the chat's format.
    until(lambda: any("] Test " in text for text in site.inbox.chat), 20)
    nobody = {"monitoring.receivers": {"test": None}}
    broken = site.run(playbook="playbooks/alert_test.py", **nobody)
    assert broken.status != 0
    assert "alerts have no receiver" in broken.stderr


def test_an_application_that_stops_is_told_and_so_is_its_return(site: Site) -> None:
    unit = f"hello@{site.web.live('hello')}.service"
    assert "ApplicationDown" not in site.firing()
    site.web.out(f"systemctl stop {unit}")
    try:
        until(lambda: site.inbox.alerts("ApplicationDown"))
    finally:
        site.web.out(f"systemctl start {unit}")
    until(lambda: site.inbox.alerts("ApplicationDown", "resolved"))
    alert = site.inbox.alerts("ApplicationDown")[0]
    assert alert["labels"]["instance"] == WEB
    assert alert["annotations"]["summary"] == f"hello on {WEB} does not answer as it should"


def test_maintenance_is_silent(site: Site) -> None:
    unit = f"hello@{site.web.live('hello')}.service"
    good(site.run(playbook="playbooks/maintenance.py", app="hello", maintenance="on"))
    before = len(site.inbox.alerts("ApplicationDown"))
    site.web.out(f"systemctl stop {unit}")
    try:
        until(lambda: not site.answers())
        # Longer than it takes otherwise.
        time.sleep(20)
        assert "ApplicationDown" not in site.firing()
    finally:
        site.web.out(f"systemctl start {unit}")
    until(site.answers)
    good(site.run(playbook="playbooks/maintenance.py", app="hello", maintenance="off"))
    assert len(site.inbox.alerts("ApplicationDown")) == before
    assert "maintenance" not in site.web.out("ls /var/lib/groundcrew/metrics")


class Visitors:
    """Requests to a path of the application, several at a time, until the block ends."""

    def __init__(self, site: Site, path: str) -> None:
        self.site, self.path, self.ended = site, path, threading.Event()
        self.threads = [threading.Thread(target=self._visit) for _ in range(3)]

    def _visit(self) -> None:
        while not self.ended.is_set():
            self.site.web.get(self.path, "hello.test")
            self.ended.wait(0.2)

    def __enter__(self) -> None:
        for thread in self.threads:
            thread.start()

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        for thread in self.threads:
            thread.join()


def test_errors_and_slow_answers_are_told_and_so_is_their_end(site: Site) -> None:
    names = ("ApplicationErrors", "ApplicationLatency")
    began = time.monotonic()
    with Visitors(site, "/fail"), Visitors(site, "/slow?seconds=2.5"):
        for name in names:
            until(functools.partial(site.inbox.alerts, name))
            seen(name, time.monotonic() - began)
    for name in names:
        until(functools.partial(site.inbox.alerts, name, "resolved"), 90)
        alert = site.inbox.alerts(name)[0]
        assert (alert["labels"]["app"], alert["labels"]["instance"]) == ("hello", WEB)


def counted(site: Site) -> dict[str, float]:
    """Class of status -> requests that were counted."""
    samples = site.ask("query?query=groundcrew_requests_total")["result"]
    assert {item["metric"]["app"] for item in samples} == {"hello"}
    return {item["metric"]["class"]: float(item["value"][1]) for item in samples}


def test_a_client_makes_no_labels_and_no_count_is_lost_with_a_rotation(site: Site) -> None:
    before = counted(site)
    strange = 'shop" 500 9.000 9.000;9.000\\nevil 500 1.000 1.000;1.000'
    headers = {"User-Agent": strange, "Referer": strange, "X-Request-ID": strange}
    for number in range(4):
        if number == 2:
            site.web.out("logrotate --force /etc/logrotate.d/groundcrew-traffic")
            # It looks for the new file four times a second, and begins with what comes then.
            time.sleep(1)
        site.web.get("/evil 500 1.000 1.000;1.000", "hello.test", headers=headers)
    for name in ("evil", "evil.hello.test", "hello.test:1 500"):
        with suppress(requests.RequestException):
            site.web.get("/", name)
    until(lambda: counted(site).get("4xx", 0) == before.get("4xx", 0) + 4)
    assert counted(site).get("5xx") == before.get("5xx")


def test_its_reader_sees_no_other_log(site: Site) -> None:
    main = site.web.out("systemctl show --property=MainPID --value groundcrew-metrics-traffic")
    status = site.web.out(f"cat /proc/{main}/status")
    user, groups = (re.findall(rf"^{key}:\s*(.+)$", status, re.M)[0] for key in ("Uid", "Groups"))
    assert user.split()[0] != "0"
    assert len(groups.split()) == 2, groups
    seen_logs = site.web.out(f"find /proc/{main}/root/var/log -type f").split()
    assert {Path(item).parent.name for item in seen_logs} == {"traffic"}
    text = site.web.out("cat /var/log/nginx/traffic/requests.log*")
    assert re.fullmatch(r"(hello [0-9]{3} [-0-9., :;]+\n?)*", text)


def test_servers_in_trouble_are_told_and_so_is_its_end(site: Site) -> None:
    names = ("MariadbDown", "PostgresqlConnections", "RedisFull")
    asleep = "runuser -u postgres -- psql -qc 'SELECT pg_sleep(600)'"
    many = f"cd /; for i in $(seq 33); do setsid {asleep} >/dev/null 2>&1 </dev/null & done"
    store = "/var/lib/groundcrew/credentials/redis-admin/queue/active"
    client = (
        f"REDISCLI_AUTH=$(cat {store}/password) redis-cli --no-auth-warning "
        "-s /run/redis-queue/server.sock --user $(cat " + store + "/user)"
    )
    site.web.out(
        f"for i in $(seq 15); do head -c 1000000 /dev/zero | {client} -x SET key$i; done; {many}"
    )
    site.monitor.out("systemctl stop mariadb")
    try:
        began = time.monotonic()
        for name in names:
            until(functools.partial(site.inbox.alerts, name), 120)
            seen(name, time.monotonic() - began)
    finally:
        site.monitor.out("systemctl start mariadb")
        site.web.out(f"{client} FLUSHALL")
        inside(site.web, "cd / && runuser -u postgres -- psql -qtA", END)
    for name in names:
        until(functools.partial(site.inbox.alerts, name, "resolved"), 120)


def test_the_logins_of_monitoring_read_figures_and_nothing_else(site: Site) -> None:
    passwords = {}
    for name, host, file in (
        ("postgresql", site.web, "postgresql/metrics.env"),
        ("redis", site.web, "redis/queue.metrics"),
        ("mariadb", site.monitor, "mariadb/metrics.cnf"),
    ):
        path = f"/etc/groundcrew/{file}"
        assert host.out(f"stat -c '%a %U' {path}") == "600 root"
        [passwords[name]] = re.findall(r"[A-Za-z0-9]{40}", host.out(f"cat {path}"))
        arguments = inside(host, "cat /proc/[0-9]*/cmdline 2>/dev/null || true")
        assert passwords[name] not in arguments
    grants = site.monitor.out(
        "mariadb -BNe \"SHOW GRANTS FOR 'groundcrew_metrics_a'@'localhost'\" | cut -d' ' -f2-4"
    )
    assert grants == "USAGE ON *.*"
    read = (
        f"cd /; PGPASSWORD={passwords['postgresql']} "
        "psql -h /run/postgresql -U groundcrew_metrics_a postgres -c"
    )
    assert site.web.shell.run(f"{read} 'SELECT 1'").rc == 0
    for statement in ("SELECT * FROM pg_authid", "CREATE TABLE t (a int)"):
        assert "permission denied" in site.web.shell.run(f"{read} '{statement}'").stderr
    asked = (
        f"REDISCLI_AUTH={passwords['redis']} redis-cli --no-auth-warning "
        "--user groundcrew_metrics_a -p 6380"
    )
    assert "used_memory" in site.web.out(f"{asked} INFO memory")
    for command in ("GET key1", "KEYS '*'", "CONFIG GET '*'", "FLUSHALL"):
        assert "NOPERM" in site.web.out(f"{asked} {command}")


def test_an_update_that_waits_for_a_restart_is_told(site: Site) -> None:
    site.web.out("touch /run/reboot-required")
    try:
        seen("RebootPending", until(lambda: site.inbox.alerts("RebootPending")))
    finally:
        site.web.out("rm /run/reboot-required; systemctl stop groundcrew-reboot-pending.service")
    assert site.inbox.alerts("RebootPending")[0]["labels"]["instance"] == WEB


def test_a_full_disk_is_told(site: Site) -> None:
    site.web.out("mkdir -p /srv/full && mount -t tmpfs -o size=1M tmpfs /srv/full")
    try:
        site.web.shell.run("head -c 1000K /dev/zero > /srv/full/file")
        until(lambda: site.inbox.alerts("DiskFull"))
        told = good(site.run(playbook="playbooks/status.py"))
        assert f"alert: DiskFull (critical) {WEB}" in told.stdout + told.stderr
    finally:
        site.web.out("umount /srv/full && rmdir /srv/full")


def test_what_goes_wrong_on_a_host_is_told_and_so_is_its_end(site: Site) -> None:
    """More of them: `tests/e2e/test_alerts.py`."""
    addresses = " ".join(f"203.0.113.{number}" for number in range(1, 26))
    names = ("InodesFull", "LibrariesReplaced", "UnitFailed")
    sleep, renewal = "/usr/local/bin/sleep", "systemctl start groundcrew-renew.service"
    began = time.monotonic()
    site.web.out(
        "mkdir -p /srv/many && mount -t tmpfs -o size=1M,nr_inodes=50 tmpfs /srv/many && "
        "touch $(seq -f /srv/many/%g 48) && systemd-run -q --unit=broken false; "
        f"fail2ban-client set sshd banip {addresses}; cp /bin/sleep {sleep}; "
        f"systemd-run -q --unit=old {sleep} 900; sleep 1; "
        f"cp {sleep} {sleep}.new && mv {sleep}.new {sleep} && {renewal}"
    )
    try:
        # Its end comes ten minutes after the last ban.
        for name in (*names, "ManyBans"):
            until(functools.partial(site.inbox.alerts, name))
            seen(name, time.monotonic() - began)
    finally:
        site.web.out(
            "umount /srv/many; rmdir /srv/many; systemctl reset-failed broken; "
            f"fail2ban-client set sshd unbanip {addresses}; "
            f"systemctl stop old; rm {sleep}; {renewal}"
        )
    for name in names:
        until(functools.partial(site.inbox.alerts, name, "resolved"))


def red(site: Site, told: str) -> bool:
    run = site.run(playbook="playbooks/verify.py")
    assert run.status != 0
    return re.search(told, run.stderr) is not None


def test_verify_is_red_while_something_is_not_measured(site: Site) -> None:
    site.web.out("systemctl stop prometheus-blackbox-exporter")
    try:
        # Until Prometheus reads it the next time, it is up as far as that knows.
        until(lambda: red(site, rf"hello\s+applications\s+of\s+{WEB}"))
    finally:
        site.web.out("systemctl start prometheus-blackbox-exporter")
    good(site.run(playbook="playbooks/verify.py"))


def test_every_alert_fires_when_it_should(site: Site) -> None:
    all_rules = rules()
    assert {rule.name for rule in all_rules} == {case.split()[0] for case in CASES}
    text = builders.rules([Neighbour("web", "192.0.2.1", measured=lambda: Measured((), all_rules))])
    inside(site.monitor, "cat > /root/rules.yml", text)
    inside(site.monitor, "cat > /root/test.yml", yaml.safe_dump(promtool("rules.yml")))
    inside(
        site.monitor, "cd /root && promtool check rules rules.yml && promtool test rules test.yml"
    )
