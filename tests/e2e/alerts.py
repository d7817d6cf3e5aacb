"""Time series with which each alert fires, and others with which it does not, for promtool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from groundcrew.manifest.model import AppSettings
from groundcrew.metrics import Rule
from groundcrew.roles.backup.rules import rules as of_backups
from groundcrew.roles.backup.settings import BackupSettings
from groundcrew.roles.fail2ban import Fail2banSettings
from groundcrew.roles.fail2ban.rules import rules as of_fail2ban
from groundcrew.roles.haproxy.rules import rules as of_haproxy
from groundcrew.roles.haproxy.settings import HaproxySettings
from groundcrew.roles.mariadb import MariadbSettings
from groundcrew.roles.mariadb.metrics import rules as of_mariadb
from groundcrew.roles.metrics.rules import of_host, of_probes
from groundcrew.roles.metrics.settings import MetricsSettings
from groundcrew.roles.monitoring.rules import rules as of_monitoring
from groundcrew.roles.monitoring.settings import MonitoringSettings
from groundcrew.roles.nginx.traffic_rules import rules as of_traffic
from groundcrew.roles.postgresql import PostgresqlSettings
from groundcrew.roles.postgresql.metrics import rules as of_postgresql
from groundcrew.roles.redis import RedisSettings
from groundcrew.roles.redis.metrics import rules as of_redis
from groundcrew.roles.renewal.rules import rules as of_renewal
from groundcrew.roles.renewal.settings import RenewalSettings

DAY = 86400
WEB = 'instance="web"'
ON = f'{{job="host",{WEB}}}'
YES, NO = "1+0x2000", "0+0x2000"
SHOP = {"source": {"directory": "src"}, "entry": "shop:app", "domains": ["shop.test"]}
Series = Mapping[str, str]


@dataclass(frozen=True)
class Case:
    """An alert: series with which it fires, and with which it does not."""

    bad: Series
    good: Series
    minutes: int = 10
    """When it is looked for."""


def _disk(free: str, files: str = "90+0x500") -> Series:
    where = f'{{{WEB},fstype="ext4",mountpoint="/"}}'
    return {
        f"node_filesystem_avail_bytes{where}": free,
        f"node_filesystem_size_bytes{where}": "100+0x500",
        f"node_filesystem_files_free{where}": files,
        f"node_filesystem_files{where}": "100+0x500",
    }


def _memory(free: int) -> Series:
    return {
        f"node_memory_MemAvailable_bytes{ON}": f"{free}+0x20",
        f"node_memory_MemTotal_bytes{ON}": "100+0x20",
    }


def _swap(free: int) -> Series:
    return {
        f"node_memory_SwapFree_bytes{ON}": f"{free}+0x90",
        f"node_memory_SwapTotal_bytes{ON}": "100+0x90",
    }


def _tracked(used: int) -> Series:
    return {
        f"node_nf_conntrack_entries{ON}": f"{used}+0x90",
        f"node_nf_conntrack_entries_limit{ON}": "100+0x90",
    }


SERVER = 'haproxy_server_status{proxy="app-shop",server="web1"'


def _address(device: str) -> str:
    return f'node_network_address_info{{job="host",address="192.0.2.9",device="{device}",{WEB}}}'


def _probe(name: str, value: str) -> Series:
    return {f'{name}{{job="applications",app="shop",{WEB}}}': value}


def _backup(name: str, value: str) -> Series:
    return {f'groundcrew_backup_{name}{{job="host",target="t",{WEB}}}': value}


def _target(free: int) -> Series:
    return {
        **_backup("target_free_bytes", f"{free}+0x90"),
        **_backup("target_bytes", "100+0x90"),
    }


def _traffic(good: str, failed: str, **more: str) -> Series:
    series = "groundcrew_requests_total"
    return {
        f'{series}{{app="shop",class="2xx",job="traffic",{WEB}}}': good,
        f'{series}{{app="shop",class="5xx",job="traffic",{WEB}}}': failed,
        **more,
    }


def _latency(within: str, all_of_them: str) -> Series:
    series = "groundcrew_request_seconds_bucket"
    return {
        **_traffic(all_of_them, NO),
        f'{series}{{app="shop",le="2",job="traffic",{WEB}}}': within,
        f'{series}{{app="shop",le="3",job="traffic",{WEB}}}': all_of_them,
        f'{series}{{app="shop",le="+Inf",job="traffic",{WEB}}}': all_of_them,
    }


def _of(job: str, **values: str) -> Series:
    """Figures of a server."""
    return {f'{name}{{job="{job}",{WEB}}}': value for name, value in values.items()}


def _postgresql(used: int) -> Series:
    name = "groundcrew_postgresql_connections"
    return _of("postgresql", **{name: f"{used}+0x20", f"{name}_allowed": "100+0x20"})


def _mariadb(used: int) -> Series:
    return _of(
        "mariadb",
        mysql_global_status_threads_connected=f"{used}+0x20",
        mysql_global_variables_max_connections="100+0x20",
    )


def _redis(policy: str, used: int) -> Series:
    where = f'job="redis",server="queue",{WEB}'
    return {
        f"redis_memory_used_bytes{{{where}}}": f"{used}+0x20",
        f"redis_memory_max_bytes{{{where}}}": "100+0x20",
        f'redis_instance_info{{maxmemory_policy="{policy}",{where}}}': "1+0x20",
    }


def _one(name: str, bad: str, good: str, minutes: int = 10) -> Case:
    return Case({name: bad}, {name: good}, minutes)


PROBER = f'up{{job="applications",{WEB}}}'
UNIT = f'node_systemd_unit_state{{name="a.service",state="failed",{WEB}}}'
RESTARTS = f'node_systemd_service_restart_total{{name="a.service",{WEB}}}'
SET = f'groundcrew_backup_until_seconds{{set="postgresql",target="t",{WEB}}}'
FILES = f'groundcrew_backup_until_seconds{{set="app:shop",target="t",{WEB}}}'
FAILED = f'alertmanager_notification_requests_failed_total{{integration="webhook",{WEB}}}'
MAINTENANCE = f'groundcrew_maintenance{{app="shop",job="host",{WEB}}}'
REFUSED = (
    f'mysql_global_status_connection_errors_total{{error="max_connections",job="mariadb",{WEB}}}'
)
CLIENTS = f'redis_connected_clients{{job="redis",server="queue",{WEB}}}'
PENDING = (
    'node_systemd_unit_state{name="groundcrew-reboot-pending.service",state="active",'
    f'job="host",{WEB}}}'
)
EXPIRY = "probe_ssl_earliest_cert_expiry"
CASES = {
    "HostDown": _one(f"up{ON}", NO, YES),
    # A host that is down is told once.
    "ExporterDown": Case({PROBER: NO, f"up{ON}": YES}, {PROBER: NO, f"up{ON}": NO}),
    "MemoryLow": Case(_memory(9), _memory(11)),
    "OutOfMemory": _one(f"node_vmstat_oom_kill{ON}", "0+0x4 1+0x20", "7+0x20"),
    "ClockNotSynchronised": _one(f"node_timex_sync_status{ON}", NO, YES, 40),
    "DiskFull": Case(_disk("9+0x20"), _disk("11+0x20")),
    "DiskFullSoon": Case(_disk("60-0.1x300"), _disk("40-0.01x300"), 180),
    # What was written within a few minutes, on a host that is measured for the first time.
    "DiskFullSoon after a release": Case({}, _disk("50+0x10 40+0x300"), 60),
    "DiskFullSoon long after a release": Case({}, _disk("50+0x10 40+0x300"), 180),
    "InodesFull": Case(_disk("90+0x20", "5+0x20"), _disk("90+0x20", "50+0x20")),
    "UnitFailed": _one(UNIT, YES, NO),
    "UnitRestarting": _one(RESTARTS, "0+1x20", "5+0x20"),
    "MetricsBroken": _one(f"node_textfile_scrape_error{ON}", YES, NO),
    "ApplicationDown": Case(
        _probe("probe_success", NO), {**_probe("probe_success", NO), MAINTENANCE: YES}
    ),
    "ApplicationSlow": Case(
        _probe("probe_duration_seconds", "3+0x20"), _probe("probe_duration_seconds", "1+0x20")
    ),
    # 10 of 100 requests a minute fail; 4 do; 1 of 2 does.
    "ApplicationErrors": Case(_traffic("0+90x30", "0+10x30"), _traffic("0+96x30", "0+4x30")),
    "ApplicationErrors at night": Case({}, _traffic("0+1x30", "0+1x30")),
    "ApplicationErrors in maintenance": Case(
        {}, {**_traffic("0+90x30", "0+10x30"), MAINTENANCE: YES}
    ),
    "ApplicationLatency": Case(_latency("0+98x30", "0+100x30"), _latency("0+99x30", "0+100x30")),
    "ApplicationLatency at night": Case({}, _latency("0+0x30", "0+1x30")),
    # Within an hour, 14.4 times 0.5 %; within hours, 6 times; within days, once.
    "ErrorBudgetBurning": Case(
        _traffic("0+100x300 30000+92x60", "0+0x300 0+8x60"),
        _traffic("0+100x300 30000+93x60", "0+0x300 0+7x60"),
        358,
    ),
    "ErrorBudgetBurning over hours": Case(
        _traffic("0+960x60", "0+40x60"), _traffic("0+980x60", "0+20x60"), 40
    ),
    # It has ended.
    "ErrorBudgetBurning no more": Case({}, _traffic("0+90x30 2700+100x60", "0+10x30 300+0x60"), 60),
    "ErrorBudgetSpent": Case(
        _traffic("0+990x150", "0+10x150"), _traffic("0+1000x150", "0+4x150"), 120
    ),
    "PostgresqlDown": Case(_of("postgresql", pg_up=NO), _of("postgresql", pg_up=YES)),
    "PostgresqlConnections": Case(_postgresql(81), _postgresql(79)),
    "PostgresqlReplicaLag": Case(
        _of("postgresql", groundcrew_postgresql_replica_lag_seconds="31+0x20"),
        _of("postgresql", groundcrew_postgresql_replica_lag_seconds="29+0x20"),
    ),
    "PostgresqlReplicaLag of one that is away": Case(
        _of("postgresql", groundcrew_postgresql_replica_connected=NO),
        _of("postgresql", groundcrew_postgresql_replica_connected=YES),
    ),
    "MariadbDown": Case(_of("mariadb", mysql_up=NO), _of("mariadb", mysql_up=YES)),
    "MariadbConnections": Case(_mariadb(81), _mariadb(79)),
    "MariadbRefuses": _one(REFUSED, "0+1x20", "4+0x20"),
    "RedisDown": Case(_of("redis", redis_up=NO), _of("redis", redis_up=YES)),
    # A cache that is full forgets something.
    "RedisFull": Case(_redis("noeviction", 91), _redis("noeviction", 89)),
    "RedisFull of a cache": Case({}, _redis("allkeys-lru", 100)),
    "RedisConnections": _one(CLIENTS, "801+0x20", "799+0x20"),
    "RedisRefuses": _one(
        f'redis_rejected_connections_total{{job="redis",{WEB}}}', "0+1x20", "4+0x20"
    ),
    "RedisReplicaLag": Case(
        _of("redis", redis_master_last_io_seconds_ago="31+0x20"),
        _of("redis", redis_master_last_io_seconds_ago="29+0x20"),
    ),
    "RedisReplicaLag of one that is away": Case(
        _of("redis", redis_master_link_up=NO), _of("redis", redis_master_link_up=YES)
    ),
    "RedisReplicaLag at the primary": Case(
        _of("redis", redis_connected_slave_lag_seconds="31+0x20"),
        _of("redis", redis_connected_slave_lag_seconds="29+0x20"),
    ),
    "LibrariesReplaced": _one(f"groundcrew_outdated_units{ON}", YES, NO),
    "RebootPending": Case({PENDING: YES}, {PENDING: NO}),
    # Within ten minutes 30 addresses are banned; 15 are, after others long ago.
    "ManyBans": _one(
        f'groundcrew_bans_total{{jail="sshd",job="host",{WEB}}}', "0+3x20", "900+1.5x20"
    ),
    "SwapUsed": Case(_swap(40), _swap(60)),
    "ConnectionTableFull": Case(_tracked(81), _tracked(79)),
    "CertificateExpiring": Case(
        _probe(EXPIRY, f"{19 * DAY}+0x20"), _probe(EXPIRY, f"{21 * DAY}+0x20")
    ),
    "CertificateExpired": Case(
        _probe(EXPIRY, f"{2 * DAY}+0x20"), _probe(EXPIRY, f"{4 * DAY}+0x20")
    ),
    # Databases are stored every few minutes, files once a day.
    "BackupOld": Case({SET: "0+0x60"}, {SET: "0+60x60", FILES: "0+0x60"}, 30),
    "BackupMissing": Case({f"up{ON}": YES}, {f"up{ON}": YES, SET: "0+60x200"}, 90),
    "DrillFailed": Case(_backup("drill_good", NO), _backup("drill_good", YES)),
    "DrillOld": Case(
        _backup("drill_seconds", f"-{8 * DAY}+0x90"), _backup("drill_seconds", "0+0x90"), 80
    ),
    "RetentionOld": Case(
        _backup("retention_seconds", f"-{4 * DAY}+0x90"), _backup("retention_seconds", "0+0x90"), 80
    ),
    "BackupTargetFull": Case(_target(5), _target(50), 80),
    "BalancerHostDown": _one(f'{SERVER},state="DOWN",{WEB}}}', YES, NO),
    "BalancerWithoutHost": _one(
        f'haproxy_backend_active_servers{{proxy="app-shop",{WEB}}}', NO, "2+0x2000"
    ),
    "SharedAddressNotHeld": Case({f"up{ON}": YES}, {f"up{ON}": YES, _address("eth0"): YES}),
    # Nobody knows who holds it while no balancer is measured.
    "SharedAddressNotHeld unmeasured": Case({f"up{ON}": YES}, {f"up{ON}": NO}),
    "SharedAddressHeldTwice": Case(
        {_address("eth0"): YES, _address("eth1"): YES}, {_address("eth0"): YES}
    ),
    "MessagesFailing": _one(FAILED, "0+1x20", "4+0x20"),
    "MonitoringBroken": _one(f"prometheus_config_last_reload_successful{{{WEB}}}", NO, YES),
    "Heartbeat": Case({}, {}),
}


def rules() -> tuple[Rule, ...]:
    """The alerts of all roles."""
    mine = MetricsSettings(reboot_days=0)
    monitoring = MonitoringSettings.model_validate({"heartbeat": {"env": "HEARTBEAT"}})
    return (
        *of_host(mine),
        *of_probes(mine),
        *of_traffic({"shop": AppSettings.model_validate(SHOP)}),
        *of_postgresql(PostgresqlSettings()),
        *of_mariadb(MariadbSettings()),
        *of_redis(RedisSettings()),
        *of_fail2ban(Fail2banSettings()),
        *of_haproxy(HaproxySettings.model_validate({"address": "192.0.2.9"})),
        *of_renewal(RenewalSettings(alert_days=0)),
        *of_backups(BackupSettings()),
        *of_monitoring(monitoring),
    )


def promtool(file: str) -> dict[str, Any]:
    """The tests of all alerts in a file of rules."""
    tests = []
    for name, case in CASES.items():
        # The heartbeat always fires.
        if case.bad or not case.good:
            tests.append(_test(name, case.bad, case.minutes, [{"value": 1, "labels": "{}"}]))
        if case.good:
            tests.append(_test(name, case.good, case.minutes, []))
    return {"rule_files": [file], "evaluation_interval": "1m", "tests": tests}


def _named(case: str) -> str:
    """Selects the alert of a case, whose first word is its name."""
    return f'alertname="{case.split(maxsplit=1)[0]}",alertstate="firing"'


def _test(
    name: str, series: Series, minutes: int, expected: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    return {
        "name": name,
        "interval": "1m",
        "input_series": [{"series": key, "values": value} for key, value in series.items()],
        "promql_expr_test": [
            {
                # Some alerts have several limits, of which one is enough.
                "expr": f"count(count by (alertname) (ALERTS{{{_named(name)}}}))",
                "eval_time": f"{minutes}m",
                "exp_samples": list(expected),
            }
        ],
    }
