"""What one role needs of another's settings, computed here: roles do not know each other."""

from __future__ import annotations

from pathlib import Path

from pyinfra.api.inventory import Inventory

from groundcrew.releases.plan import ReleasePlan
from groundcrew.settings import Loaded, settings_for
from roles import app, gunicorn, logrotate, nginx, python, users, verify
from roles import firewall as firewall_role
from roles.firewall.settings import FirewallSettings, RuleSettings
from roles.settings import HostSettings

PROJECT = Path(__file__).resolve().parent.parent
HOST_PACKAGES = (*users.PACKAGES, *firewall_role.PACKAGES, *verify.PACKAGES)
WEB_PACKAGES = (*python.PACKAGES, *nginx.PACKAGES, *logrotate.PACKAGES)


def packages(settings: HostSettings) -> list[str]:
    """Debian packages of all roles and applications, so that apt runs once."""
    wanted = {package for item in settings.app.values() for package in item.apt}
    wanted.update(HOST_PACKAGES)
    if settings.apps:
        wanted.update(WEB_PACKAGES)
    return sorted(wanted)


def firewall(settings: HostSettings) -> FirewallSettings:
    """The packet filter's settings, with the applications' own ports open."""
    opened: dict[str, RuleSettings | None] = {
        f"app-{name}": RuleSettings.model_validate({"ports": (item.port,)})
        for name, item in settings.app.items()
        if item.port not in (80, 443)
    }
    allow = {**opened, **settings.firewall.allow}
    return settings.firewall.model_copy(update={"allow": allow})


def admins(settings: HostSettings) -> list[str]:
    """Names of the administrators."""
    return [name for name, admin in settings.users.admins.items() if admin is not None]


def app_names(inventory: Inventory) -> list[str]:
    """All applications of all hosts, in one order for all, as pyinfra's operation order needs."""
    return sorted({name for host in inventory for name in settings_for(host).settings.app})


def release_plan(name: str, loaded: Loaded[HostSettings]) -> ReleasePlan:
    """The release of one application on one host."""
    settings = loaded.settings
    item = settings.app[name]
    return app.plan(
        name,
        item,
        secrets=loaded.secrets[name],
        server=gunicorn.Gunicorn(item.server),
        toolchain=python.toolchain(settings.python),
        drain=nginx.drain_seconds(settings.nginx),
        project=PROJECT,
    )
