"""What dashboards show of hosts and of applications' health paths. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from groundcrew.dashboards import APPS, STEP, WINDOW, Panel, Query, panel
from groundcrew.metrics import HOST, HOSTS
from groundcrew.roles.metrics.rules import READ_ONLY
from groundcrew.roles.metrics.settings import MetricsSettings

DEVICES = 'device!~"lo|veth.*|docker.*|br-.*"'
DISKS = 'device!~"loop.*|ram.*|sr.*"'
BUSY = (
    f'100 * (1 - avg by (instance) (rate(node_cpu_seconds_total{{mode="idle",{HOSTS}}}[{WINDOW}])))'
)
MEMORY = (
    f"100 - 100 * node_memory_MemAvailable_bytes{{{HOSTS}}} / node_memory_MemTotal_bytes{{{HOSTS}}}"
)
SPACE = (
    f"100 - 100 * node_filesystem_avail_bytes{{{HOSTS},{READ_ONLY}}} "
    f"/ node_filesystem_size_bytes{{{HOSTS},{READ_ONLY}}}"
)


def panels(settings: MetricsSettings, apps: Sequence[str]) -> Iterator[Panel]:
    """Panels of a host, and those of applications that show how busy their hosts are."""
    yield from _of_all(settings)
    yield from _of_one(settings)
    if apps:
        yield from _of_applications(settings, tuple(apps))


def _rate(metric: str, more: str = "") -> str:
    return f"rate({metric}{{{more}{HOSTS}}}[{WINDOW}])"


def _of_all(settings: MetricsSettings) -> Iterator[Panel]:
    yield panel(
        "fleet",
        "Hosts that answer",
        Query(f'sum(up{{job="{HOST}",{HOSTS}}})', "up"),
        Query(f'count(up{{job="{HOST}",{HOSTS}}})', "all"),
        kind="number",
    )
    yield panel("fleet", "CPU in use", Query(BUSY), unit="%", most=100)
    yield panel(
        "fleet",
        "Memory in use",
        Query(MEMORY),
        unit="%",
        most=100,
        limits=(100 - settings.memory_free,),
    )
    yield panel(
        "fleet",
        "Fullest file system",
        Query(f"max by (instance) ({SPACE})"),
        unit="%",
        most=100,
        limits=(settings.disk_used,),
    )
    yield panel(
        "fleet",
        "Network, both ways",
        Query(
            f"sum by (instance) ({_rate('node_network_receive_bytes_total', DEVICES + ',')} "
            f"+ {_rate('node_network_transmit_bytes_total', DEVICES + ',')})"
        ),
        unit="bytes/s",
    )


def _of_one(settings: MetricsSettings) -> Iterator[Panel]:
    yield panel(
        "host",
        "Up for",
        Query(f"time() - node_boot_time_seconds{{{HOSTS}}}"),
        unit="s",
        kind="number",
    )
    yield panel(
        "host",
        "CPUs",
        Query(f'count by (instance) (node_cpu_seconds_total{{mode="idle",{HOSTS}}})'),
        kind="number",
    )
    yield panel(
        "host", "Memory", Query(f"node_memory_MemTotal_bytes{{{HOSTS}}}"), unit="bytes",
        kind="number",
    )  # fmt: skip
    yield panel(
        "host",
        "Units that have failed",
        Query(
            f'node_systemd_unit_state{{state="failed",{HOSTS}}} == 1',
            "{{name}} of {{instance}}",
        ),
        kind="table",
    )
    yield panel(
        "host",
        "CPU by what it does",
        Query(
            f'100 * avg by (mode) (rate(node_cpu_seconds_total{{mode!="idle",{HOSTS}}}[{WINDOW}]))',
            "{{mode}}",
        ),
        unit="%",
        kind="stacked",
        most=100,
    )
    yield panel(
        "host",
        "Memory by use",
        Query(
            f"sum(node_memory_MemTotal_bytes{{{HOSTS}}} "
            f"- node_memory_MemAvailable_bytes{{{HOSTS}}})",
            "in use",
        ),
        Query(f"sum(node_memory_MemAvailable_bytes{{{HOSTS}}})", "available"),
        unit="bytes",
        kind="stacked",
    )
    yield panel(
        "host",
        "Load",
        Query(f"node_load1{{{HOSTS}}}", "{{instance}}, 1 minute"),
        Query(f"node_load15{{{HOSTS}}}", "{{instance}}, 15 minutes"),
        about="Processes that run or wait; more than there are CPUs means that some wait.",
    )
    yield panel(
        "host",
        "Waiting for CPU, memory and disks",
        *(
            Query(f"100 * {_rate(f'node_pressure_{kind}_waiting_seconds_total')}", kind)
            for kind in ("cpu", "memory", "io")
        ),
        unit="%",
        most=100,
        about="Share of the time in which at least one process waited; empty where the kernel "
        "does not tell it.",
    )
    yield panel(
        "host",
        "File systems",
        Query(SPACE, "{{mountpoint}}"),
        unit="%",
        most=100,
        limits=(settings.disk_used,),
    )
    yield panel(
        "host",
        "Disks",
        Query(f"sum({_rate('node_disk_read_bytes_total', DISKS + ',')})", "read"),
        Query(f"sum({_rate('node_disk_written_bytes_total', DISKS + ',')})", "written"),
        unit="bytes/s",
    )
    yield panel(
        "host",
        "Network",
        Query(f"sum({_rate('node_network_receive_bytes_total', DEVICES + ',')})", "received"),
        Query(f"sum({_rate('node_network_transmit_bytes_total', DEVICES + ',')})", "sent"),
        unit="bytes/s",
    )
    yield panel(
        "host",
        "TCP connections",
        Query(f"node_netstat_Tcp_CurrEstab{{{HOSTS}}}", "open"),
        Query(f"node_sockstat_TCP_tw{{{HOSTS}}}", "just closed"),
    )


def _of_applications(settings: MetricsSettings, apps: tuple[str, ...]) -> Iterator[Panel]:
    answers = f'probe_success{{job="applications",{APPS},{HOSTS}}}'
    for board in ("fleet", "application"):
        yield Panel(
            board,
            "Applications that do not answer",
            (Query(f"{answers} == 0", "{{app}} on {{instance}}", apps),),
            kind="table",
        )
    yield panel(
        "application",
        "Health path",
        Query(
            f'probe_duration_seconds{{job="applications",{APPS},{HOSTS}}}',
            "{{app}} on {{instance}}",
            apps,
        ),
        unit="s",
        limits=(settings.slow,),
        about="How long it takes to answer monitoring, on the host itself.",
    )
    yield panel(
        "application",
        "Certificate is valid for",
        Query(
            f'probe_ssl_earliest_cert_expiry{{job="applications",{APPS},{HOSTS}}} - time()',
            "{{app}} on {{instance}}",
            apps,
        ),
        unit="s",
        kind="number",
    )
    yield panel(
        "application",
        "Its hosts: CPU and memory in use",
        Query(BUSY, "CPU of {{instance}}"),
        Query(MEMORY, "memory of {{instance}}"),
        unit="%",
        most=100,
    )
    units = f'node_systemd_unit_state{{state="active",name=~"({"|".join(apps)})@.+",{HOSTS}}} == 1'
    before = units.replace("} == 1", f"}} offset {STEP} == 1")
    yield panel(
        "application",
        "Releases",
        Query(
            f'label_replace(({units}) unless ({before}), "app", "$1", "name", "(.+)@.+")',
            "{{app}}",
            apps,
        ),
        kind="marks",
        about="A release has begun to run.",
    )
