"""What one role needs of another's settings, computed here: roles do not know each other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from pyinfra import host as current_host
from pyinfra.api.host import Host
from pyinfra.api.inventory import Inventory

from groundcrew.apps import development, maintenance_page
from groundcrew.apps.command import CommandServer
from groundcrew.apps.model import AppSettings
from groundcrew.apps.paths import AppPaths
from groundcrew.apps.server import GunicornServer, Server, UwsgiServer
from groundcrew.apps.uvicorn import UvicornServer
from groundcrew.entries import Entry
from groundcrew.facts.memory import Memory
from groundcrew.releases.plan import ReleasePlan, ServerProcess
from groundcrew.releases.target import Target
from groundcrew.settings import (
    Loaded,
    Problem,
    SettingsError,
    manifests,
    reserved,
    settings_for,
)
from groundcrew.settings.errors import nearest
from groundcrew.sizes import size_for, sized
from roles import (
    app,
    command,
    fail2ban,
    gunicorn,
    logrotate,
    nginx,
    python,
    tls,
    users,
    uvicorn,
    uwsgi,
    verify,
)
from roles import firewall as firewall_role
from roles.base.files import BANNER_FILE
from roles.firewall.settings import FirewallSettings, RuleSettings, allowed_ports
from roles.settings import HostSettings
from roles.ssh.settings import SshSettings

PROJECT = Path(__file__).resolve().parent.parent
HOST_PACKAGES = (*firewall_role.PACKAGES, *verify.PACKAGES)
WEB_PACKAGES = (*python.PACKAGES, *logrotate.PACKAGES)


def packages(settings: HostSettings) -> list[str]:
    """Debian packages of all roles and applications, so that apt runs once."""
    wanted = {package for item in settings.app.values() for package in item.apt}
    wanted |= app.node.packages(settings.app.values())
    wanted.update(HOST_PACKAGES)
    wanted.update(users.packages(settings.users))
    if settings.fail2ban.enabled:
        wanted.update(fail2ban.PACKAGES)
    wanted.update(tls.packages(settings.app))
    if settings.apps:
        wanted.update((*WEB_PACKAGES, *nginx.packages(settings.nginx)))
    return sorted(wanted)


def firewall(settings: HostSettings) -> FirewallSettings:
    """The packet filter's settings, with the applications' own ports open. 80 and 443 are the
    groups' to open; but HTTPS is reached in any case."""
    allowed = allowed_ports(settings.firewall)
    opened: dict[str, RuleSettings | None] = {
        f"app-{name}": RuleSettings.model_validate({"ports": (item.port,)})
        for name, item in settings.app.items()
        if item.port not in (80, 443)
    }
    opened |= {
        f"app-{name}-tls": RuleSettings.model_validate({"ports": (item.tls.port,)})
        for name, item in settings.app.items()
        if item.tls and item.tls.port not in allowed
    }
    allow = {**opened, **settings.firewall.allow}
    return settings.firewall.model_copy(update={"allow": allow})


def ssh(settings: HostSettings) -> SshSettings:
    """The SSH server's settings, with the banner of the base where none is said."""
    if settings.ssh.banner is not None or settings.base.banner is None:
        return settings.ssh
    return settings.ssh.model_copy(update={"banner": BANNER_FILE})


def tls_sites(settings: HostSettings) -> dict[str, AppSettings]:
    """The sites with HTTPS: of applications that share their domains, the one that has the server
    for all."""
    return {server.owner: server.app for server in nginx.servers(settings.app) if server.app.tls}


def certificates(loaded: Loaded[HostSettings]) -> list[Entry]:
    """The files of the sites' certificates."""
    settings = loaded.settings
    return tls.entries(settings.tls.acme, tls_sites(settings), loaded.certificates, PROJECT)


def admins(settings: HostSettings) -> list[str]:
    """Names of the administrators."""
    return [name for name, admin in settings.users.admins.items() if admin is not None]


def app_names(inventory: Inventory) -> list[str]:
    """All applications of all hosts, in one order for all, as pyinfra's operation order needs."""
    return sorted({name for host in inventory for name in settings_for(host).settings.app})


def release_plan(name: str, loaded: Loaded[HostSettings]) -> ReleasePlan:
    """The release of one application on one host."""
    settings = loaded.settings
    item = sized_app(settings.app[name])
    return app.plan(
        name,
        item,
        secrets=loaded.secrets[name],
        server=server_process(item.server, item.mode, item.root, item.entry),
        toolchain=python.toolchain(settings.python, packages(settings)),
        drain=nginx.drain_seconds(settings.nginx),
        project=PROJECT,
        elsewhere=elsewhere(name, loaded),
        again=settings.run.again == name,
    )


def sized_app(item: AppSettings) -> AppSettings:
    """The application with what its size derives; `auto` asks the host, and no other does."""
    if item.size is None:
        return item
    return sized(
        item, size_for(current_host.get_fact(Memory)) if item.size == "auto" else item.size
    )


def elsewhere(name: str, loaded: Loaded[HostSettings]) -> frozenset[str]:
    """Workers and timers of an application that another host runs for all."""
    return frozenset() if name in loaded.first else loaded.settings.app[name].single_parts


def release_plans(names: Iterable[str], loaded: Loaded[HostSettings]) -> dict[str, ReleasePlan]:
    """The releases of those of `names` that a host runs."""
    return {name: release_plan(name, loaded) for name in names if name in loaded.settings.app}


def server_process(
    server: Server, mode: str = "production", prefix: str = "", entry: str | None = None
) -> ServerProcess:
    """The server of an application's releases, by its kind. Below a `prefix`, some need to know
    that, and what the application is."""
    reload = mode == "development"
    if reload:
        server = development.server(server)
    match server:
        case GunicornServer():
            return gunicorn.Gunicorn(server, reload, prefix)
        case UvicornServer():
            return uvicorn.Uvicorn(server, reload, prefix, entry or "")
        case UwsgiServer():
            return uwsgi.Uwsgi(server, reload)
        case CommandServer():
            return command.Command(server)


def maintenance_pages(settings: HostSettings) -> dict[str, bytes]:
    """The page that visitors of each application get during its maintenance."""
    return {
        name: maintenance_page.page(item.maintenance, PROJECT)
        for name, item in settings.app.items()
    }


TOGETHER = 4
"""Applications whose releases are watched and drained at the same time: while that goes on, a host
has two releases of each."""


def together(names: Sequence[str]) -> list[list[str]]:
    """The applications that are released together, group by group."""
    return [list(names[start : start + TOGETHER]) for start in range(0, len(names), TOGETHER)]


def batch_sizes(names: Iterable[str], inventory: Inventory) -> dict[str, int]:
    """How many hosts switch at the same time, of each application."""
    return {name: batch_size(name, inventory) for name in names}


def batch_size(name: str, inventory: Inventory) -> int:
    """How many hosts switch at the same time: the smallest number that any of them allows."""
    found = [settings_for(host).settings.app.get(name) for host in inventory]
    items = [item for item in found if item is not None]
    return max(1, min(_share(item.rollout.batch, len(items)) for item in items))


def _share(batch: int | str, hosts: int) -> int:
    return batch if isinstance(batch, int) else int(batch.rstrip("%")) * hosts // 100


def target(name: str, loaded: Loaded[HostSettings]) -> Target:
    """An application on a host, for playbooks that release nothing."""
    settings = loaded.settings
    drain = nginx.drain_seconds(settings.nginx)
    return Target(AppPaths(name), settings.app[name], drain, elsewhere=elsewhere(name, loaded))


def asked_apps(inventory: Inventory) -> list[str]:
    """The applications that a playbook is about: the one named on the command line, or all.

    Raises SettingsError where no host has the one that is named.
    """
    names = app_names(inventory)
    asked = {settings_for(host).settings.run.app for host in inventory} - {None}
    for name in asked:
        if name not in names:
            raise SettingsError(
                [
                    Problem(
                        "app",
                        "--data",
                        f'no host has an application "{name}"{nearest(name, names)}',
                    )
                ]
            )
    return [name for name in names if not asked or name in asked]


def one_app(inventory: Inventory) -> list[str]:
    """The application that a playbook is about. Raises SettingsError where none is named."""
    names = asked_apps(inventory)
    if not any(settings_for(host).settings.run.app for host in inventory):
        known = ", ".join(app_names(inventory))
        raise SettingsError([Problem("app", "--data", f"is required (known: {known})")])
    return names


def asked_maintenance(inventory: Inventory) -> Literal["on", "off"]:
    """Whether maintenance is to be switched on or off. Raises SettingsError where none is said."""
    for host in inventory:
        wanted: Literal["on", "off"] | None = settings_for(host).settings.run.maintenance
        if wanted:
            return wanted
    raise SettingsError([Problem("maintenance", "--data", "is required: on or off")])


def asked_sbom(inventory: Inventory) -> str:
    """The directory that gets bills of materials. Raises SettingsError where none is said."""
    for host in inventory:
        wanted: str | None = settings_for(host).settings.run.sbom
        if wanted:
            return wanted
    raise SettingsError([Problem("sbom", "--data", "is required: a directory on this machine")])


def removed_app(hosts: Iterable[Host]) -> str:
    """The application that hosts are to lose. Raises SettingsError where none is named, or where
    one of them is still to run it."""
    asked = {host.name: settings_for(host).settings for host in hosts}
    name: str | None = next((item.run.app for item in asked.values() if item.run.app), None)
    if name is None:
        raise SettingsError([Problem("app", "--data", "is required: the name of an application")])
    if not manifests.NAME.match(name) or reserved.is_taken(name):
        raise SettingsError([Problem("app", "--data", f'"{name}" is no name of an application')])
    still = tuple(host for host, item in asked.items() if name in item.app)
    if still:
        text = f'"{name}" is still among `apps`: take it out there first'
        raise SettingsError([Problem("app", "--data", text, hosts=still)])
    return name
