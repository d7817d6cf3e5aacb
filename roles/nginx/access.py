"""Directives for who may request a path and how often."""

from __future__ import annotations

from groundcrew.manifest.limits import RateLimit
from groundcrew.manifest.model import AppSettings
from groundcrew.manifest.rules import Rules
from groundcrew.roles.nginx.context import Context
from groundcrew.roles.nginx.settings import NginxSettings
from groundcrew.templates import render

HOST_ITSELF = ("127.0.0.1", "::1")
ZONE_SIZE = "10m"
"""Shared memory of one zone, enough for about 80,000 clients."""


def access(context: Context, rules: Rules, *, health: bool) -> list[str]:
    """Directives for allowed addresses, basic auth and `auth_request`. If authentication is
    required, the health path stays open to the host itself, which probes it after every switch."""
    values = rules.values
    guarded = values.basic_auth is not None or values.auth_request is not None
    if health and guarded:
        return only(())
    lines = []
    if values.allow is not None:
        lines += only(values.allow)
    if values.basic_auth is not None:
        users = users_file(context.name, context.app, rules.origins["basic_auth"])
        lines += [f'auth_basic "{context.name}"', f"auth_basic_user_file {users}"]
    if values.auth_request is not None:
        lines.append(f"auth_request {auth_location(context, values.auth_request)}")
    return lines


def only(networks: tuple[str, ...]) -> list[str]:
    """Allows the networks and the host itself, and denies everybody else."""
    return [*(f"allow {network}" for network in (*networks, *HOST_ITSELF)), "deny all"]


def users_file(name: str, app: AppSettings, key: str) -> str:
    """Path of the password file for a key of an application's `nginx.locations`."""
    return f"/etc/nginx/groundcrew/users/{name}.{sorted(app.nginx.locations).index(key)}"


def auth_location(context: Context, path: str) -> str:
    """The internal location that asks the application's `path` for its decision."""
    return f"/groundcrew-auth/{context.name}{path}"


def shared_limits(settings: NginxSettings) -> str:
    """The limits file of nginx's http level: the client key, and the zones shared by all
    applications."""
    rate = settings.limits.rate
    return render("nginx/limits.conf.j2", settings=settings, rate=rate and nginx_rate(rate))


def client_limits(context: Context, rules: Rules, *, application: bool) -> list[str]:
    """Limits per client: those of the application and of these paths or, if neither sets any, the
    host's."""
    site, values = context.app.nginx, rules.values
    if not (site.limits if values.limits is None else values.limits):
        return []
    rates = []
    if application and site.rate_limit:
        rates.append(rate(context, "all", site.rate_limit))
    if values.rate_limit:
        zone = zone_suffix(context, rules.origins["rate_limit"])
        rates.append(rate(context, zone, values.rate_limit))
    numbers = []
    if application and site.connections:
        numbers.append(connections(context, "all", site.connections))
    if values.connections:
        zone = zone_suffix(context, rules.origins["connections"])
        numbers.append(connections(context, zone, values.connections))
    return [
        *(rates or default_rate(context.settings, application=application)),
        *(numbers or default_connections(context.settings)),
    ]


def default_rate(settings: NginxSettings, *, application: bool) -> list[str]:
    """The host's request rate."""
    limit = settings.limits
    if not (application and limit.rate):
        return []
    return [f"limit_req zone=groundcrew-requests{beyond(limit.burst, limit.delay)}"]


def default_connections(settings: NginxSettings) -> list[str]:
    """The host's limit of simultaneous requests."""
    number = settings.client_connections
    return [f"limit_conn groundcrew-connections {number}"] if number else []


def beyond(burst: int, at_once: int) -> str:
    """`burst` and `delay` parameters for requests above the rate."""
    if not burst:
        return ""
    delay = " nodelay" if at_once >= burst else f" delay={at_once}" if at_once else ""
    return f" burst={burst}{delay}"


def nginx_rate(limit: str) -> str:
    """A rate in nginx's units, which have no hours: rounded up to requests per minute."""
    number, per = limit.split("r/")
    return f"{-(-int(number) // 60)}r/m" if per == "h" else limit


def zone_suffix(context: Context, key: str) -> str:
    """Zone name suffix for a key of `nginx.locations`."""
    return str(sorted(context.app.nginx.locations).index(key))


def rate(context: Context, suffix: str, limit: RateLimit) -> str:
    """The `limit_req` directive. Its zone is added to `context.zones`."""
    zone = f"groundcrew-{context.name}-rate-{suffix}"
    context.zones[zone] = (
        f"limit_req_zone $groundcrew_client zone={zone}:{ZONE_SIZE} rate={nginx_rate(limit.rate)}"
    )
    at_once = limit.delay if limit.delay is not None else limit.burst if limit.nodelay else 0
    return f"limit_req zone={zone}{beyond(limit.burst, at_once)}"


def connections(context: Context, suffix: str, number: int) -> str:
    """The `limit_conn` directive. Its zone is added to `context.zones`."""
    zone = f"groundcrew-{context.name}-connections-{suffix}"
    context.zones[zone] = f"limit_conn_zone $groundcrew_client zone={zone}:{ZONE_SIZE}"
    return f"limit_conn {zone} {number}"
