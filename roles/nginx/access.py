"""Who may ask for a path, and how often: lists of directives."""

from __future__ import annotations

from groundcrew.apps.limits import RateLimit
from groundcrew.apps.model import AppSettings
from groundcrew.apps.rules import Rules
from groundcrew.templates import render
from roles.nginx.context import Context
from roles.nginx.settings import NginxSettings

HOST_ITSELF = ("127.0.0.1", "::1")
ZONE_SIZE = "10m"
"""Memory of a zone: about 80,000 clients."""


def access(context: Context, rules: Rules, *, health: bool) -> list[str]:
    """Addresses, passwords, and the application's own decision. The health path stays open for the
    host itself, which probes it after every switch."""
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
    """Lets in the networks and the host itself."""
    return [*(f"allow {network}" for network in (*networks, *HOST_ITSELF)), "deny all"]


def users_file(name: str, app: AppSettings, key: str) -> str:
    """The file with the hashed passwords of a key of an application's `nginx.locations`."""
    return f"/etc/nginx/groundcrew/users/{name}.{sorted(app.nginx.locations).index(key)}"


def auth_location(context: Context, path: str) -> str:
    """The path inside nginx that asks the application's `path` for its decision."""
    return f"/groundcrew-auth/{context.name}{path}"


def shared_limits(settings: NginxSettings) -> str:
    """Whose requests are counted, and the counters of all applications together."""
    rate = settings.limits.rate
    return render("nginx/limits.conf.j2", settings=settings, rate=rate and nginx_rate(rate))


def limits(context: Context, rules: Rules, *, application: bool) -> list[str]:
    """How much one client may ask for: of the application as a whole and of these paths, or, where
    neither says anything, of the host."""
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
    """The host's own rate."""
    limit = settings.limits
    if not (application and limit.rate):
        return []
    return [f"limit_req zone=groundcrew-requests{beyond(limit.burst, limit.delay)}"]


def default_connections(settings: NginxSettings) -> list[str]:
    """The host's own number of requests at the same time."""
    number = settings.client_connections
    return [f"limit_conn groundcrew-connections {number}"] if number else []


def beyond(burst: int, at_once: int) -> str:
    """What happens to requests above a rate, as parameters of its directive."""
    if not burst:
        return ""
    delay = " nodelay" if at_once >= burst else f" delay={at_once}" if at_once else ""
    return f" burst={burst}{delay}"


def nginx_rate(limit: str) -> str:
    """A rate in nginx's units."""
    number, per = limit.split("r/")
    return f"{-(-int(number) // 60)}r/m" if per == "h" else limit


def zone_suffix(context: Context, key: str) -> str:
    """A name for what is counted under a key of `nginx.locations`."""
    return str(sorted(context.app.nginx.locations).index(key))


def rate(context: Context, suffix: str, limit: RateLimit) -> str:
    """The directive; its zone is noted for the http level."""
    zone = f"groundcrew-{context.name}-rate-{suffix}"
    context.zones[zone] = (
        f"limit_req_zone $groundcrew_client zone={zone}:{ZONE_SIZE} rate={nginx_rate(limit.rate)}"
    )
    at_once = limit.delay if limit.delay is not None else limit.burst if limit.nodelay else 0
    return f"limit_req zone={zone}{beyond(limit.burst, at_once)}"


def connections(context: Context, suffix: str, number: int) -> str:
    """The same for requests at the same time."""
    zone = f"groundcrew-{context.name}-connections-{suffix}"
    context.zones[zone] = f"limit_conn_zone $groundcrew_client zone={zone}:{ZONE_SIZE}"
    return f"limit_conn {zone} {number}"
