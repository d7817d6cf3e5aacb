"""Settings of one role, completed with what other roles provide: roles do not import each other."""

from __future__ import annotations

from dataclasses import replace

from pyinfra import host

from groundcrew.bindings.address import numeric
from groundcrew.entries import Entry, File
from groundcrew.facts.memory import Memory
from groundcrew.manifest import maintenance_page
from groundcrew.project import ROOT as PROJECT
from groundcrew.roles import connections, nginx, tls
from groundcrew.roles.firewall.settings import FirewallSettings, RuleSettings, allowed_ports
from groundcrew.roles.haproxy import builders as haproxy_files
from groundcrew.roles.nginx.settings import NginxSettings
from groundcrew.roles.settings import HostSettings
from groundcrew.roles.ssh.settings import SshSettings
from groundcrew.settings import (
    Loaded,
)
from groundcrew.sites import Secured
from groundcrew.sizes import size_for

BALANCER = tls.Front(
    "haproxy",
    f"{haproxy_files.CERTIFICATES_PROGRAM} && haproxy -c -q -f {haproxy_files.CONFIGURATION}",
    haproxy_files.CHALLENGE_PORT,
)
"""How the balancer takes a new certificate."""


def sized(loaded: Loaded[HostSettings]) -> Loaded[HostSettings]:
    """The settings, with the sizes that follow from the host's memory, and the connections that
    follow from that of hosts with applications. Only what is automatic reads a fact."""
    settings = connections.limited(loaded.settings)
    loaded = replace(loaded, settings=settings)
    roles = {
        name: role
        for name in settings.providers() & settings.place.groups
        if getattr(role := settings.provider(name), "size", None) == "auto"
    }
    if not roles:
        return loaded
    size = size_for(host.get_fact(Memory))
    update = {name: role.model_copy(update={"size": size}) for name, role in roles.items()}
    return replace(loaded, settings=settings.model_copy(update=update))


def role_secrets(loaded: Loaded[HostSettings]) -> dict[tuple[str, ...], str]:
    """The operator's secrets of roles, by key."""
    return {path: value.get_secret_value() for path, value in loaded.role_secrets.items()}


def firewall(settings: HostSettings) -> FirewallSettings:
    """The packet filter's settings, plus a rule for each port that a role opens and that is not
    allowed already, and for each that is reserved for some users."""
    allowed = allowed_ports(settings.firewall)
    opened: dict[str, RuleSettings | None] = {
        port.rule: RuleSettings.model_validate(
            {"ports": (port.number,), "from": port.opened, "protocol": port.protocol}
        )
        for port in settings.brought.ports
        if port.opened is not None and (port.number not in allowed or port.protocol == "udp")
    }
    allow = {**opened, **_behind_balancers(settings)}
    reserved = {port.number: port.users for port in settings.brought.ports if port.users}
    filtered = settings.firewall.model_copy(update={"allow": allow}).with_reserved(reserved)
    filtered = filtered.with_unreachable(settings.brought.unreachable)
    return filtered.with_protocols(settings.brought.protocols)


def _behind_balancers(settings: HostSettings) -> dict[str, RuleSettings | None]:
    """`firewall.allow`, in which rules for everybody open the ports of applications behind
    balancers for these alone. A rule that says from where stays as it is."""
    ports = {str(settings.app[name].port) for name in settings.place.behind}
    allow: dict[str, RuleSettings | None] = {}
    for name, rule in settings.firewall.allow.items():
        mine = [port for port in rule.ports if str(port) in ports] if rule else []
        if rule is None or rule.sources or not mine or rule.protocol != "tcp":
            allow[name] = rule
            continue
        sources = sorted({numeric(item.address) for item in settings.place.balancers})
        allow[name] = RuleSettings.model_validate({"ports": mine, "from": sources})
        others = [port for port in rule.ports if port not in mine]
        if others:
            allow[f"{name}-others"[:32]] = rule.model_copy(update={"ports": tuple(others)})
    return allow


def ssh(settings: HostSettings) -> SshSettings:
    """The SSH server's settings; the banner defaults to the one of the base role."""
    return settings.ssh.with_banner(settings.login_banner)


def web(settings: HostSettings) -> NginxSettings:
    """nginx's settings: it counts requests if a host monitors this one."""
    return settings.nginx.counting(bool(settings.place.monitors))


def tls_sites(settings: HostSettings) -> dict[str, Secured]:
    """The sites with HTTPS: those of roles, and of applications, of the host itself or, on a
    balancer, of the hosts behind it. Applications that share their domains share one site, that of
    the owner."""
    balanced = {item.app: item.settings for item in settings.place.balanced}
    servers = nginx.servers({**settings.app, **balanced})
    of_apps = {server.owner: server.app for server in servers if server.app.tls}
    return {**of_apps, **settings.role_sites}


def served(loaded: Loaded[HostSettings]) -> list[nginx.Served]:
    """The sites of roles, with the passwords of their users."""
    return [
        nginx.Served(site, {user: loaded.role_secrets[key] for user, key in site.users.items()})
        for site in loaded.settings.role_sites.values()
    ]


def certificates(loaded: Loaded[HostSettings]) -> list[Entry]:
    """The files of the sites' certificates."""
    settings = loaded.settings
    front = BALANCER if settings.haproxy.group in settings.place.groups else tls.NGINX
    return tls.entries(settings.tls.acme, tls_sites(settings), loaded.certificates, PROJECT, front)


def maintenance_site(settings: HostSettings, name: str) -> list[File]:
    """nginx's files about an application's maintenance, which a playbook can change alone."""
    below = nginx.prefixes_below(settings.app, name)
    return nginx.maintenance_files(settings.nginx, name, settings.app[name], below)


def maintenance_pages(settings: HostSettings) -> dict[str, bytes]:
    """The maintenance page of each application, by name."""
    return {
        name: maintenance_page.page(item.maintenance, PROJECT)
        for name, item in settings.app.items()
    }
