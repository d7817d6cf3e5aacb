"""Settings of what monitoring reads on a host."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from typing import Self

from pydantic import Field, PrivateAttr

from groundcrew.bindings import Place
from groundcrew.bindings.address import UnknownAddressError, numeric
from groundcrew.contract import Brings, HostView, RoleSettings
from groundcrew.exporters import Exporter
from groundcrew.metrics import Neighbour, Probe


class MetricsSettings(RoleSettings):
    """What monitoring reads on a host, and when it warns. Nothing of it is installed unless a host
    of the inventory is in the group `monitoring`.

    The packet filter opens the ports for the hosts of that group alone.
    """

    port: int = Field(9100, ge=1, le=65535)
    """Port of the metrics of the host itself."""

    probe_port: int = Field(9115, ge=1, le=65535)
    """Port of the program that requests the applications' health paths."""

    public: bool = False
    """Whether metrics may be read at addresses that are not private. They are not encrypted."""

    patience: int = Field(60, ge=0)
    """Seconds for which a host or an application must be down before an alert fires."""

    disk_used: int = Field(90, ge=1, le=99)
    """Percentage of a file system, or of its inodes, from which an alert fires."""

    memory_free: int = Field(10, ge=1, le=99)
    """Percentage of available memory below which an alert fires."""

    swap_used: int = Field(50, ge=1, le=99)
    """Percentage of the swap above which an alert fires, if it has been in use for five minutes."""

    connections_tracked: int = Field(80, ge=1, le=99)
    """Percentage of the largest number of connections that the packet filter can track, above which
    an alert fires."""

    reboot_days: int = Field(7, ge=0, le=365)
    """Days for which an update may wait for a restart of the host before an alert fires."""

    certificate_days: int = Field(20, ge=1, le=365)
    """Days of remaining validity of a certificate below which an alert fires. certbot renews
    certificates 30 days before they expire."""

    certificate_last_days: int = Field(3, ge=1, le=365)
    """Days of remaining validity of a certificate below which a critical alert fires."""

    restarts: int = Field(3, ge=1, le=1000)
    """Restarts of a unit within ten minutes above which an alert fires."""

    slow: float = Field(2.0, gt=0)
    """Average time in seconds, over five minutes, that a health path may take before an alert
    fires."""

    _probes: tuple[Probe, ...] = PrivateAttr(())
    _exporters: tuple[Exporter, ...] = PrivateAttr(())

    @property
    def probes(self) -> tuple[Probe, ...]:
        """URLs of this host that must answer."""
        return self._probes

    @property
    def exporters(self) -> tuple[Exporter, ...]:
        """Programs that serve metrics of other roles."""
        return self._exporters

    def with_brought(self, probes: Sequence[Probe], exporters: Sequence[Exporter]) -> Self:
        """These settings, with the URLs and the exporters that the host's roles bring."""
        copy = self.model_copy()
        copy._probes, copy._exporters = tuple(probes), tuple(exporters)
        return copy

    def misplaced(self, place: Place) -> Iterable[tuple[tuple[str, ...], str]]:
        """Addresses that are not known or not private."""
        away = others(place)
        if not away:
            return
        own = next(item for item in place.hosts if item.name == place.name)
        for item in (own, *away):
            try:
                address = ipaddress.ip_address(numeric(item.address))
            except UnknownAddressError:
                yield (
                    (),
                    (
                        f'{item.name} would be reached at "{item.address}", which this machine '
                        f"cannot resolve: set `address` of {item.name} in the inventory"
                    ),
                )
                continue
            if item is own and address.is_global and not self.public:
                yield (
                    ("public",),
                    (
                        f"{away[0].name} would read the metrics of {own.name} at {address}, "
                        "unencrypted: set `address` to that of a private network, or "
                        "metrics.public: true"
                    ),
                )

    def brings(self, host: HostView) -> Brings:
        """See `roles/metrics/brings.py`, which is imported for monitored hosts alone."""
        if not host.place.monitors:
            return Brings()
        from groundcrew.roles.metrics.brings import brings  # noqa: PLC0415 - it needs this module

        return brings(self, host.place, tuple(host.app))


def others(place: Place) -> list[Neighbour]:
    """The other hosts that monitor this one."""
    return [item for item in place.monitors if item.name != place.name]
