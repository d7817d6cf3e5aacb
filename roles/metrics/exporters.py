"""The units of the exporters that other roles bring. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from groundcrew.contract import Brings, Port, Unit
from groundcrew.entries import Entry, File, Link
from groundcrew.exporters import HOST, LISTEN, Exporter
from groundcrew.memory import Share
from groundcrew.metrics import Metrics
from groundcrew.services import Service
from groundcrew.templates import render

READERS = ("root", "prometheus")
"""Users of the host that may ask: some programs can also be told to end."""
EXPOSURE = 1.4
CREDENTIAL = "{credential}"


def brings(exporters: Sequence[Exporter], listen: Sequence[str], peers: Sequence[str]) -> Brings:
    """What the exporters need on a host that is monitored."""
    opened = tuple(peers) or None
    return Brings(
        packages=sorted({item.package for item in exporters}),
        first_files=list(_entries(exporters, listen, peers)),
        services=[
            Service(item.unit, (item.unit_file, *item.files)) for item in exporters if item.started
        ],
        ports=[
            Port(
                item.port,
                (item.unit,),
                opened,
                f"metrics-{item.name}",
                public=bool(peers),
                users=READERS,
            )
            for item in exporters
        ],
        units=[
            Unit(item.unit, EXPOSURE, Share("metrics", item.name, item.memory << 20, 1))
            for item in exporters
        ],
        metrics=[Metrics(item.job, item.port, labels=item.labels) for item in exporters],
    )


def _entries(
    exporters: Sequence[Exporter], listen: Sequence[str], peers: Sequence[str]
) -> Iterator[Entry]:
    # The packages would start their programs at all addresses.
    for unit in sorted({item.packaged for item in exporters}):
        yield Link(f"/etc/systemd/system/{unit}", "/dev/null")
    for item in exporters:
        yield File(item.unit_file, unit_text(item, listen, peers))


def unit_text(item: Exporter, listen: Sequence[str], peers: Sequence[str]) -> str:
    """The unit of an exporter."""
    # These programs listen at one address or at all; then the packet filter alone decides.
    address = listen[0] if len(listen) == 1 else ""
    filled = {
        LISTEN: f"{address}:{item.port}",
        HOST: address.strip("[]"),
        CREDENTIAL: "${CREDENTIALS_DIRECTORY}/login",
    }
    command = " ".join(item.command)
    for key, value in filled.items():
        command = command.replace(key, value)
    return render("metrics/exporter.service.j2", item=item, command=command, peers=peers)
