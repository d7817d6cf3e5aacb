"""What monitoring needs on a host: everything, as the role has no operations of its own."""

from __future__ import annotations

from collections.abc import Sequence

from groundcrew.bindings import Place
from groundcrew.bindings.address import numeric
from groundcrew.contract import Brings, Port, Renewal, Unit
from groundcrew.memory import Share
from groundcrew.metrics import HOST, Metrics, Probe
from groundcrew.roles.metrics import builders, exporters, panels, rules
from groundcrew.roles.metrics.settings import MetricsSettings, others
from groundcrew.services import Service


def brings(settings: MetricsSettings, place: Place, apps: Sequence[str]) -> Brings:
    """The exporters, their ports, the alerts and the panels, on hosts that are monitored. `apps`
    are the host's applications; sites of roles are probed too, and are none."""
    listen = builders.addresses(place)
    peers = tuple(sorted(numeric(item.address) for item in others(place)))
    opened = peers or None
    probes = settings.probes
    more = exporters.brings(settings.exporters, listen, peers)
    return Brings(
        packages=(
            "prometheus-node-exporter",
            "dbus",
            *(builders.PROBE_PACKAGES if probes else ()),
            *more.packages,
        ),
        first_files=[*builders.entries(settings, probes, listen, peers), *more.first_files],
        files=builders.reboot_pending(),
        services=[
            Service(f"{builders.REBOOT_PENDING}.path"),
            Service(builders.NODE, (builders.drop_in(builders.NODE),)),
            *([_prober()] if probes else []),
            *more.services,
        ],
        ports=[
            Port(settings.port, (builders.NODE,), opened, "metrics", public=bool(peers)),
            *([_probe_port(settings, opened)] if probes else []),
            *more.ports,
        ],
        units=[
            Unit(builders.NODE, 1.9, Share("metrics", "host", builders.NODE_MEMORY << 20, 1)),
            *([_probe_unit()] if probes else []),
            *more.units,
        ],
        metrics=[
            Metrics(HOST, settings.port),
            *(_probed(settings, probe) for probe in probes),
            *more.metrics,
        ],
        rules=[*rules.of_host(settings), *(rules.of_probes(settings) if probes else ())],
        panels=list(panels.panels(settings, sorted(apps))),
        renewals=[Renewal(builders.NODE), Renewal(builders.PROBER)],
    )


def _prober() -> Service:
    return Service(builders.PROBER, (builders.drop_in(builders.PROBER), builders.MODULES))


def _probe_port(settings: MetricsSettings, opened: tuple[str, ...] | None) -> Port:
    units = (builders.PROBER,)
    return Port(settings.probe_port, units, opened, "metrics-probes", public=bool(opened))


def _probe_unit() -> Unit:
    memory = Share("metrics", "probes", builders.PROBER_MEMORY << 20, 1)
    return Unit(builders.PROBER, 1.4, memory)


def _probed(settings: MetricsSettings, probe: Probe) -> Metrics:
    """The metrics of one URL."""
    return Metrics(
        "applications",
        settings.probe_port,
        "/probe",
        labels={"app": probe.name},
        parameters={
            "module": builders.module(probe),
            "target": probe.url,
            "hostname": probe.host,
        },
    )
