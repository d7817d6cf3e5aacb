"""Everything that can be set for a host: one block per role, and its applications."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

from groundcrew.contract import Brings, Brought
from groundcrew.project import ROOT as PROJECT
from groundcrew.roles import capacity, fleet, names
from groundcrew.roles.app.brings import brings
from groundcrew.roles.backup.settings import BackupSettings
from groundcrew.roles.base.apt_sources import may_provide
from groundcrew.roles.base.files import BANNER_FILE
from groundcrew.roles.base.settings import BaseSettings
from groundcrew.roles.fail2ban.settings import Fail2banSettings
from groundcrew.roles.firewall.settings import FirewallSettings
from groundcrew.roles.haproxy.settings import HaproxySettings
from groundcrew.roles.logrotate.settings import LogrotateSettings
from groundcrew.roles.mariadb.settings import MariadbSettings
from groundcrew.roles.metrics.settings import MetricsSettings
from groundcrew.roles.mongodb.settings import MongodbSettings
from groundcrew.roles.monitoring.settings import MonitoringSettings
from groundcrew.roles.nginx import balancer
from groundcrew.roles.nginx.settings import NginxSettings
from groundcrew.roles.postgresql.settings import PostgresqlSettings
from groundcrew.roles.preflight.settings import PreflightSettings
from groundcrew.roles.python.settings import PythonSettings
from groundcrew.roles.redis.settings import RedisSettings
from groundcrew.roles.renewal.settings import RenewalSettings
from groundcrew.roles.ssh.settings import SshSettings
from groundcrew.roles.strict import STRICT
from groundcrew.roles.swarm.settings import SwarmSettings
from groundcrew.roles.tls.settings import TlsSettings
from groundcrew.roles.users.settings import UsersSettings, weak_keys
from groundcrew.roles.verify.settings import VerifySettings
from groundcrew.settings.host import HostBase


class HostSettings(HostBase):
    """The settings of one host."""

    preflight: PreflightSettings = PreflightSettings()
    """What it must have before anything is changed."""

    base: BaseSettings = BaseSettings()
    """What every host has."""

    users: UsersSettings = UsersSettings()
    """The people who administer it."""

    ssh: SshSettings = SshSettings()
    """The SSH server."""

    firewall: FirewallSettings = FirewallSettings()
    """The packet filter."""

    fail2ban: Fail2banSettings = Fail2banSettings()
    """Bans of addresses from which logins fail."""

    postgresql: PostgresqlSettings = PostgresqlSettings()
    """The database server PostgreSQL."""

    mariadb: MariadbSettings = MariadbSettings()
    """The database server MariaDB."""

    mongodb: MongodbSettings = MongodbSettings()
    """The database server MongoDB."""

    redis: RedisSettings = RedisSettings()
    """The cache and queue server Redis."""

    python: PythonSettings = PythonSettings()
    """The Python toolchain."""

    nginx: NginxSettings = NginxSettings()
    """The web server."""

    tls: TlsSettings = TlsSettings()
    """HTTPS."""

    haproxy: HaproxySettings = HaproxySettings()
    """The balancer in front of several hosts."""

    swarm: SwarmSettings = SwarmSettings()
    """Docker Engine and Swarm."""

    logrotate: LogrotateSettings = LogrotateSettings()
    """Log rotation."""

    renewal: RenewalSettings = RenewalSettings()
    """Restarts after updates of libraries."""

    backup: BackupSettings = BackupSettings()
    """Backups, restores and drills."""

    metrics: MetricsSettings = MetricsSettings()
    """What monitoring reads on every host, and when it warns."""

    monitoring: MonitoringSettings = MonitoringSettings()
    """Monitoring: what is kept, and who is told."""

    verify: VerifySettings = VerifySettings()
    """The checks at the end."""

    def among(self, hosts: Mapping[str, Self]) -> tuple[Self, list[tuple[tuple[str, ...], str]]]:
        """These settings, as those of a balancer or of a host behind the balancers."""
        settings, problems = fleet.arranged(self.place.name, hosts)
        balanced = {item.app: item.settings for item in settings.place.balanced}
        problems += self.tls.conflicts(balanced, PROJECT)
        return settings, problems  # type: ignore[return-value]

    @classmethod
    def presets(cls, given: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
        """The defaults of `base.hardening: strict`."""
        base = given.get("base")
        strict = isinstance(base, Mapping) and base.get("hardening") == "strict"
        return {"base.hardening: strict": STRICT} if strict else {}

    @property
    def admins(self) -> list[str]:
        """Names of the administrators that are not set to null."""
        return [name for name, admin in self.users.admins.items() if admin is not None]

    @property
    def backed_up(self) -> bool:
        """Whether there is a target for backups."""
        return bool(self.backup.used)

    @property
    def login_banner(self) -> str | None:
        """Path of the base role's banner; None if it writes none."""
        return BANNER_FILE if self.base.banner is not None else None

    @property
    def connect_timeout(self) -> float:
        """That of `verify`."""
        return self.verify.connect_timeout

    def of_applications(self) -> Brings:
        """The Debian packages that applications need at run time and for builds, and services
        outside of the inventory."""
        return brings(self.app, self.place)

    @property
    def upstream_keepalive(self) -> int:
        """Seconds that nginx keeps an idle connection to an application."""
        return self.nginx.upstream_keepalive_timeout

    @property
    def brought(self) -> Brought:
        """What all roles bring. The base role sets and checks the kernel parameters of all, and
        monitoring runs the exporters and probes the URLs of all."""
        brought = super().brought
        base = self.base.with_sysctl(brought.sysctl)
        metrics = self.metrics.with_brought(brought.probes, brought.exporters)
        return Brought(
            {**brought.roles, "base": base.brings(self), "metrics": metrics.brings(self)}
        )

    def conflicts(self, project: Path) -> Iterable[tuple[tuple[str, ...], str]]:
        """Settings that contradict other roles' settings or files on the operator's machine: key ->
        reason."""
        yield from super().conflicts(project)
        yield from self.tls.conflicts({**self.app, **self.role_sites}, project)
        yield from self.brought.conflicts()
        for role, package in self.brought.foreign:
            if not may_provide(self.base.apt_sources, package):
                reason = f"Debian has no {package}: name its repository in base.apt_sources"
                yield (role,), reason
        yield from names.conflicts(self.users, self.ssh, self.apps)
        for path, reason in weak_keys(self.users, self.ssh.required_rsa_size):
            yield ("users", *path), reason
        if self.app:
            yield from balancer.conflicts(self.nginx.balancer_check, self.app)
            yield from capacity.conflicts(self.base, self.nginx, self.app)
