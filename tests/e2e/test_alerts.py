"""Alerts that are made true on real hosts, how long they take to arrive, and that they end.

docs/monitoring.md has the figures, in the table "Seen firing". All of it repeats what
`tests/e2e/alerts.py` shows with made-up figures, so it runs with `bin/test --full` alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.e2e.harness import FULL, LabHost, good, inside, until
from tests.e2e.watched import DIRECTORY, PROGRAM, Site, watched

pytestmark = pytest.mark.skipif(not FULL, reason="bin/test --full")

WEB, MONITOR = "alert-web", "alert-mon"
HELLO = {
    "domains": ["hello.test"],
    "tls": {"certificate": {"type": "self-signed"}, "plain_health": True},
    "release": {"drain": 0, "check_window": 1},
}
MORE = {
    WEB: {
        "apps": ["hello"],
        "app": {"hello": HELLO},
        "backup": {"targets": {"disk": {"type": "directory", "path": DIRECTORY}}},
    },
    MONITOR: {"postgresql": {"replica_of": WEB}},
}
AT_ONCE = (
    "BackupMissing", "BackupOld", "BackupTargetFull", "CertificateExpired", "CertificateExpiring",
    "ClockNotSynchronised", "ConnectionTableFull", "DiskFullSoon", "ErrorBudgetBurning",
    "InodesFull", "LibrariesReplaced", "MemoryLow", "MetricsBroken", "MonitoringBroken",
    "PostgresqlReplicaLag", "UnitFailed",
)  # fmt: skip
QUICK: dict[str, Any] = {
    "monitoring.interval": 5,
    "monitoring.group_wait": 1,
    "monitoring.group_interval": 5,
    "monitoring.lasting": dict.fromkeys(AT_ONCE, 5),
    "metrics.patience": 5,
    "backup.times.logs": "Sun 03:00",
    "backup.rpo": 2,
    "postgresql.max_lag": 5,
    "metrics.connections_tracked": 1,
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    web = LabHost(WEB, "bookworm", group="web,postgresql")
    monitor = LabHost(MONITOR, "bookworm", group="monitoring,postgresql")
    with watched(web, monitor, tmp_path_factory.mktemp("alerts"), MORE, QUICK) as site:
        yield site


def test_a_host_that_is_well_has_no_alert(site: Site) -> None:
    told = {item["labels"]["alertname"] for message in site.inbox.messages
            for item in message["alerts"]}  # fmt: skip
    assert told <= {"BackupOld", "ClockNotSynchronised"}


def test_file_systems(site: Site) -> None:
    full = site.fires(
        "DiskFull",
        site.on_web("mkdir -p /srv/full && mount -t tmpfs -o size=1M tmpfs /srv/full && "
                    "head -c 1000K /dev/zero > /srv/full/file"),
        site.on_web("umount /srv/full && rmdir /srv/full"),
    )  # fmt: skip
    assert full["annotations"]["summary"].startswith(f"/srv/full of {WEB} is 9")
    inodes = site.fires(
        "InodesFull",
        site.on_web("mkdir -p /srv/full && mount -t tmpfs -o size=1M,nr_inodes=50 tmpfs /srv/full "
                    "&& cd /srv/full && touch $(seq 48)"),
        site.on_web("umount /srv/full && rmdir /srv/full"),
    )  # fmt: skip
    assert inodes["labels"]["mountpoint"] == "/srv/full"
    # Of its own, as what was measured before counts.
    site.fires(
        "DiskFullSoon",
        site.on_web("mkdir -p /srv/growing && mount -t tmpfs -o size=50M tmpfs /srv/growing && "
                    "for i in $(seq 25); do head -c 1M /dev/zero >> /srv/growing/file; "
                    "sleep 1; done"),
        site.on_web("umount /srv/growing && rmdir /srv/growing"),
    )  # fmt: skip


def test_certificates(site: Site) -> None:
    folder = "/etc/ssl/groundcrew/hello"
    made = (
        f"cd {folder} && (test -e old.pem || cp -p fullchain.pem old.pem) && openssl req -x509 "
        "-key privkey.pem -days {} -subj /CN=hello.test -out fullchain.pem && "
        "systemctl reload nginx"
    )
    back = site.on_web(f"cd {folder} && mv old.pem fullchain.pem && systemctl reload nginx")
    alert = site.fires("CertificateExpiring", site.on_web(made.format(15)), back)
    assert alert["labels"]["app"] == "hello"
    assert "is valid for 15 days" in alert["annotations"]["summary"]
    site.fires("CertificateExpired", site.on_web(made.format(2)), back)


def test_backups(site: Site) -> None:
    away = f"mv {DIRECTORY}/{WEB} {DIRECTORY}/away"
    back = f"mv {DIRECTORY}/away {DIRECTORY}/{WEB}"
    site.fires(
        "DrillFailed",
        site.on_web(f"{away}; {PROGRAM} drill disk; true"),
        site.on_web(f"{back} && {PROGRAM} run logs && {PROGRAM} drill disk"),
    )
    metrics = "/var/lib/groundcrew/metrics/backup.prom"
    site.fires(
        "BackupMissing",
        site.on_web(f"mv {metrics} /root"),
        site.on_web(f"mv /root/*.prom {metrics}"),
    )
    site.fires(
        "BackupTargetFull",
        site.on_web(f"mv {DIRECTORY}/{WEB} /root/store && mount -t tmpfs -o size=100M tmpfs "
                    f"{DIRECTORY} && cp -a /root/store {DIRECTORY}/{WEB} && chmod 777 {DIRECTORY} "
                    f"&& head -c 92M /dev/zero > {DIRECTORY}/large; {PROGRAM} run logs; true"),
        site.on_web(f"umount {DIRECTORY} && mv /root/store {DIRECTORY}/{WEB} && "
                    f"{PROGRAM} run logs"),
    )  # fmt: skip


def test_memory(site: Site) -> None:
    """The machine's memory, of which a container sees all."""
    meminfo = dict(line.split(":") for line in inside(site.web, "cat /proc/meminfo").splitlines())
    total, free = (int(meminfo[key].split()[0]) for key in ("MemTotal", "MemAvailable"))
    good(site.run(**{"metrics.memory_free": 100 * free // total - 4}))
    taken = total * 9 // 100 * 1024
    site.fires(
        "MemoryLow",
        site.on_web(f"systemd-run -q --unit=taken python3 -c 'x = bytearray({taken}); "
                    "import time; time.sleep(600)'"),
        site.on_web("systemctl stop taken"),
    )  # fmt: skip
    good(site.run())


def test_units(site: Site) -> None:
    failed = site.fires(
        "UnitFailed",
        site.on_web("systemd-run -q --unit=broken false"),
        site.on_web("systemctl reset-failed broken"),
    )
    assert failed["labels"]["name"] == "broken.service"
    site.fires(
        "MetricsBroken",
        site.on_web("echo 'no number' > /var/lib/groundcrew/metrics/broken.prom"),
        site.on_web("rm /var/lib/groundcrew/metrics/broken.prom"),
    )


def test_libraries_that_an_update_has_replaced(site: Site) -> None:
    """Of a unit that groundcrew does not know, so that it is left alone."""
    program = "/usr/local/bin/sleep"
    renewal = "systemctl start groundcrew-renew.service"
    site.fires(
        "LibrariesReplaced",
        site.on_web(f"cp /bin/sleep {program} && systemd-run -q --unit=old {program} 900 && "
                    f"sleep 1 && cp {program} {program}.new && mv {program}.new {program}; "
                    f"{renewal}"),
        site.on_web(f"systemctl stop old; rm {program}; {renewal}"),
    )  # fmt: skip


def test_what_lasts(site: Site) -> None:
    """Three alerts count what happened within ten minutes, so they end ten minutes later. BackupOld
    begins after seven: the timer of databases' backups is off here, so the newest one grows too old
    by itself."""
    addresses = " ".join(f"203.0.113.{number}" for number in range(1, 26))
    killed = "x = bytearray(200 << 20)"
    faults = {
        "UnitRestarting": (
            "systemd-run -q --unit=again -p Restart=always -p RestartSec=3 false",
            "systemctl stop again; systemctl reset-failed again; true",
        ),
        "OutOfMemory": (
            "systemd-run -q --unit=killed -p MemoryMax=30M -p MemorySwapMax=0 "
            f"python3 -c '{killed}'",
            "systemctl reset-failed killed; true",
        ),
        "ManyBans": (
            f"fail2ban-client set sshd banip {addresses}",
            f"fail2ban-client set sshd unbanip {addresses}",
        ),
        "BackupOld": ("true", f"{PROGRAM} run logs"),
    }
    with ThreadPoolExecutor() as pool:
        ended = {
            name: pool.submit(
                site.fires,
                name,
                site.on_web(begin),
                site.on_web(end),
                patience=500,
                end_within=700,
            )
            for name, (begin, end) in faults.items()
        }
        alerts = {name: item.result() for name, item in ended.items()}
    assert alerts["UnitRestarting"]["labels"]["name"] == "again.service"
    assert alerts["ManyBans"]["labels"]["jail"] == "sshd"


def test_a_replica_that_does_not_follow(site: Site) -> None:
    away = site.fires(
        "PostgresqlReplicaLag",
        site.on_monitor("systemctl stop postgresql@15-main"),
        site.on_monitor("systemctl start postgresql@15-main"),
    )
    assert away["labels"]["instance"] == WEB
    psql = "cd / && runuser -u postgres -- psql -qtAc"
    site.fires(
        "PostgresqlReplicaLag",
        lambda: (
            inside(site.monitor, f"{psql} 'SELECT pg_wal_replay_pause()'"),
            inside(site.web, f"{psql} 'CREATE TABLE lag AS SELECT 1'"),
        ),
        lambda: (
            inside(site.monitor, f"{psql} 'SELECT pg_wal_replay_resume()'"),
            inside(site.web, f"{psql} 'DROP TABLE lag'"),
        ),
    )


ASK = """
import http.client, socket, ssl, sys
class Client(http.client.HTTPConnection):
    def connect(self):
        plain = socket.create_connection(("127.0.0.1", 443))
        context = ssl._create_unverified_context()
        self.sock = context.wrap_socket(plain, server_hostname=self.host)
client = Client("hello.test")
for _ in range(int(sys.argv[2])):
    client.request("GET", sys.argv[1])
    client.getresponse().read()
"""


def ask(site: Site, path: str, number: int) -> None:
    """So many requests for a path, from the host itself."""
    inside(site.web, f"python3 - {path} {number}", ASK)


def test_a_budget_of_errors(site: Site) -> None:
    site.fires(
        "ErrorBudgetBurning",
        lambda: ask(site, "/fail", 600),
        lambda: ask(site, "/health", 25000),
        180,
    )


def test_connections_that_the_packet_filter_knows(site: Site) -> None:
    """With a limit of 1 %: 2,622 of the 262,144 that it can know here."""
    program = """
import resource, socket, time
resource.setrlimit(resource.RLIMIT_NOFILE, (20000, 20000))
server = socket.create_server(("127.0.0.1", 4001), backlog=4096)
held = []
for _ in range(4000):
    held += [socket.create_connection(("127.0.0.1", 4001)), server.accept()[0]]
time.sleep(600)
"""
    site.fires(
        "ConnectionTableFull",
        lambda: inside(site.web, "cat > /root/hold.py && systemd-run -q --unit=held "
                       "-p LimitNOFILE=20000 python3 /root/hold.py", program),
        site.on_web("systemctl stop held"),
        # It knows closed ones for two minutes more.
        end_within=240,
    )  # fmt: skip


def test_the_clock(site: Site) -> None:
    """It belongs to the machine: where the kernel says that nothing keeps it right, the alert fires
    from the beginning and does not end."""
    told = site.ask("query?query=node_timex_sync_status")["result"]
    if any(item["value"][1] == "1" for item in told):
        pytest.skip("the machine's clock is synchronised")
    until(lambda: site.inbox.alerts("ClockNotSynchronised"))


def test_monitoring_itself(site: Site) -> None:
    file = "/etc/groundcrew/monitoring/prometheus.yml"
    site.fires(
        "MonitoringBroken",
        site.on_monitor(f"cp -p {file} /root && echo broken >> {file} && "
                        "systemctl kill -s HUP prometheus"),
        site.on_monitor(f"cp -p /root/prometheus.yml {file} && systemctl reload prometheus"),
    )  # fmt: skip


def test_what_does_not_answer(site: Site) -> None:
    prober = "prometheus-blackbox-exporter"
    site.fires(
        "ExporterDown",
        site.on_web(f"systemctl stop {prober}"),
        site.on_web(f"systemctl start {prober}"),
    )
    site.fires("HostDown", site.web.lose_power, site.web.power_on)
