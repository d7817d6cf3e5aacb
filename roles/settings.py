"""Everything that can be set for a host: one block per role, and its applications."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from groundcrew.settings.host import HostBase
from roles import capacity, names
from roles.base.settings import BaseSettings
from roles.fail2ban.settings import Fail2banSettings
from roles.firewall.settings import FirewallSettings
from roles.logrotate.settings import LogrotateSettings
from roles.nginx import balancer
from roles.nginx.settings import NginxSettings
from roles.preflight.settings import PreflightSettings
from roles.python.settings import PythonSettings
from roles.ssh.settings import SshSettings
from roles.strict import STRICT
from roles.tls.settings import TlsSettings
from roles.users.settings import UsersSettings, weak_keys
from roles.verify.settings import VerifySettings


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

    python: PythonSettings = PythonSettings()
    """The Python toolchain."""

    nginx: NginxSettings = NginxSettings()
    """The web server."""

    tls: TlsSettings = TlsSettings()
    """HTTPS."""

    logrotate: LogrotateSettings = LogrotateSettings()
    """Log rotation."""

    verify: VerifySettings = VerifySettings()
    """The checks at the end."""

    @classmethod
    def presets(cls, given: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
        """The defaults of `base.hardening: strict`."""
        base = given.get("base")
        strict = isinstance(base, Mapping) and base.get("hardening") == "strict"
        return {"base.hardening: strict": STRICT} if strict else {}

    @property
    def upstream_keepalive(self) -> int:
        """Seconds that nginx keeps an idle connection to an application."""
        return self.nginx.upstream_keepalive_timeout

    def conflicts(self, project: Path) -> Iterable[tuple[tuple[str, ...], str]]:
        """What the roles need of each other and of the operator's machine."""
        yield from self.tls.conflicts(self.app, project)
        yield from names.conflicts(self.users, self.ssh, self.apps)
        for path, reason in weak_keys(self.users, self.ssh.required_rsa_size):
            yield ("users", *path), reason
        if self.app:
            yield from balancer.conflicts(self.nginx.balancer_check, self.app)
            yield from capacity.conflicts(self.base, self.nginx, self.app)
