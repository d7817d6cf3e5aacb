"""Alerts about hosts and their applications. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from groundcrew.metrics import HOST, HOSTS, Rule
from groundcrew.roles.metrics.builders import REBOOT_PENDING
from groundcrew.roles.metrics.settings import MetricsSettings

MINUTE, HOUR, DAY = 60, 3600, 86400
READ_ONLY = 'fstype!~"iso9660|squashfs|ramfs|cramfs"'
"""File systems that are always full are left out."""


def of_host(settings: MetricsSettings) -> Iterator[Rule]:
    """Alerts about a host."""
    yield Rule(
        "HostDown",
        f'up{{job="{HOST}",{HOSTS}}} == 0',
        settings.patience,
        "critical",
        "{{ $labels.instance }} does not answer",
        "See whether the host runs and whether it can be reached.",
    )
    yield Rule(
        "ExporterDown",
        f'up{{job!="{HOST}",{HOSTS}}} == 0 unless on (instance) up{{job="{HOST}",{HOSTS}}} == 0',
        settings.patience,
        "warning",
        "{{ $labels.job }} of {{ $labels.instance }} is not measured",
        "On the host: systemctl status 'prometheus*' 'groundcrew-metrics-*'.",
    )
    yield from _disks(settings)
    yield Rule(
        "MemoryLow",
        f"100 * node_memory_MemAvailable_bytes{{{HOSTS}}} / node_memory_MemTotal_bytes{{{HOSTS}}} "
        f"< {settings.memory_free}",
        5 * MINUTE,
        "warning",
        '{{ $labels.instance }} has {{ $value | printf "%.0f" }} % of its memory left',
        "systemd-cgtop -m shows who uses it; lower limits.memory_max or add memory.",
    )
    yield Rule(
        "SwapUsed",
        f"100 - 100 * node_memory_SwapFree_bytes{{{HOSTS}}} "
        f"/ (node_memory_SwapTotal_bytes{{{HOSTS}}} > 0) > {settings.swap_used}",
        5 * MINUTE,
        "warning",
        '{{ $labels.instance }} uses {{ $value | printf "%.0f" }} % of its swap',
        "As with MemoryLow.",
    )
    yield Rule(
        "ConnectionTableFull",
        f"100 * node_nf_conntrack_entries{{{HOSTS}}} "
        f"/ node_nf_conntrack_entries_limit{{{HOSTS}}} > {settings.connections_tracked}",
        MINUTE,
        "critical",
        "the packet filter of {{ $labels.instance }} knows nearly as many connections as it can, "
        "and will drop new ones",
        "conntrack -S and ss -s tell whose; net.netfilter.nf_conntrack_max in base.sysctl.",
    )
    yield Rule(
        "OutOfMemory",
        f"increase(node_vmstat_oom_kill{{{HOSTS}}}[10m]) > 0",
        0,
        "critical",
        "{{ $labels.instance }} killed a process for want of memory",
        "journalctl -k -g 'Killed process' names it: raise its memory_max, or find its leak.",
    )
    yield Rule(
        "ClockNotSynchronised",
        f"node_timex_sync_status{{{HOSTS}}} == 0",
        30 * MINUTE,
        "warning",
        "the clock of {{ $labels.instance }} is not synchronised",
        "timedatectl timesync-status shows the time server, and why it does not answer.",
    )
    pending = f'name="{REBOOT_PENDING}.service",state="active",{HOSTS}'
    yield Rule(
        "RebootPending",
        f"node_systemd_unit_state{{{pending}}} == 1",
        settings.reboot_days * DAY,
        "warning",
        "an update of {{ $labels.instance }} waits for a restart",
        "/run/reboot-required.pkgs names the packages: restart the host.",
    )
    yield from _units(settings)


def _disks(settings: MetricsSettings) -> Iterator[Rule]:
    where = f"{{{HOSTS},{READ_ONLY}}}"
    space = f"node_filesystem_avail_bytes{where}", f"node_filesystem_size_bytes{where}"
    inodes = f"node_filesystem_files_free{where}", f"node_filesystem_files{where}"
    place = "{{ $labels.mountpoint }} of {{ $labels.instance }}"
    yield Rule(
        "DiskFull",
        f"100 - 100 * {space[0]} / {space[1]} > {settings.disk_used}",
        settings.patience,
        "critical",
        place + ' is {{ $value | printf "%.0f" }} % full',
        "du -xh --max-depth=2 PLACE | sort -h shows what is large; remove it or enlarge the disk.",
    )
    yield Rule(
        "DiskFullSoon",
        # What a release or an update has written at once is out of the shorter window before the
        # alert could fire.
        f"predict_linear(node_filesystem_avail_bytes{where}[6h], {DAY}) < 0 "
        f"and predict_linear(node_filesystem_avail_bytes{where}[1h], {DAY}) < 0 "
        f"and 100 - 100 * {space[0]} / {space[1]} > {settings.disk_used // 2}",
        2 * HOUR,
        "warning",
        f"{place} will be full within a day at its present growth",
        "Find what grows, as with DiskFull.",
    )
    yield Rule(
        "InodesFull",
        f"100 - 100 * {inodes[0]} / ({inodes[1]} > 0) > {settings.disk_used}",
        MINUTE,
        "critical",
        place + ' has used {{ $value | printf "%.0f" }} % of its inodes',
        "du -x --inodes --max-depth=2 PLACE | sort -n shows where the many files are.",
    )


def _units(settings: MetricsSettings) -> Iterator[Rule]:
    yield Rule(
        "UnitFailed",
        f'node_systemd_unit_state{{state="failed",{HOSTS}}} == 1',
        MINUTE,
        "warning",
        "{{ $labels.name }} of {{ $labels.instance }} has failed",
        "journalctl -u NAME shows why; systemctl reset-failed NAME when the cause is removed.",
    )
    yield Rule(
        "UnitRestarting",
        f"increase(node_systemd_service_restart_total{{{HOSTS}}}[10m]) > {settings.restarts}",
        0,
        "warning",
        "{{ $labels.name }} of {{ $labels.instance }} is restarted again and again",
        "journalctl -u NAME shows why it ends.",
    )
    yield Rule(
        "MetricsBroken",
        f"node_textfile_scrape_error{{{HOSTS}}} == 1",
        5 * MINUTE,
        "warning",
        "a file with metrics of {{ $labels.instance }} cannot be read",
        "journalctl -u prometheus-node-exporter names the file.",
    )


def of_probes(settings: MetricsSettings) -> Iterator[Rule]:
    """Alerts about applications and certificates."""
    app = "{{ $labels.app }} on {{ $labels.instance }}"
    off = f"unless on (instance, app) groundcrew_maintenance{{{HOSTS}}} == 1"
    yield Rule(
        "ApplicationDown",
        f"probe_success{{{HOSTS}}} == 0 {off}",
        settings.patience,
        "critical",
        f"{app} does not answer as it should",
        "playbooks/status.py and playbooks/logs.py --data app=NAME tell why.",
    )
    yield Rule(
        "ApplicationSlow",
        f"avg_over_time(probe_duration_seconds{{{HOSTS}}}[5m]) > {settings.slow:g} {off}",
        MINUTE,
        "warning",
        app + ' takes {{ $value | printf "%.1f" }} s to answer its health path',
        "playbooks/status.py shows how busy the host is; use more workers, or find the slow part.",
    )
    left = f"(probe_ssl_earliest_cert_expiry{{{HOSTS}}} - time()) / {DAY}"
    days = '{{ $value | printf "%.0f" }} days'
    for name, limit, severity in (
        ("CertificateExpiring", settings.certificate_days, "warning"),
        ("CertificateExpired", settings.certificate_last_days, "critical"),
    ):
        yield Rule(
            name,
            f"{left} < {limit}",
            5 * MINUTE,
            severity,  # type: ignore[arg-type]
            f"the certificate of {app} is valid for {days}",
            "journalctl -u certbot shows why it was not renewed; replace one of your own.",
        )
