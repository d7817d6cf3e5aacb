"""Who may ask for a path, and how often: lists of directives."""

from __future__ import annotations

from groundcrew.apps.limits import RateLimit
from groundcrew.apps.model import AppSettings
from groundcrew.apps.rules import Rules
from roles.nginx.context import Context

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


def limits(context: Context, rules: Rules, *, application: bool) -> list[str]:
    """How much one client may ask for: of the application as a whole, and of these paths."""
    site, values = context.app.nginx, rules.values
    lines = []
    if application and site.rate_limit:
        lines.append(rate(context, "all", site.rate_limit))
    if values.rate_limit:
        zone = zone_suffix(context, rules.origins["rate_limit"])
        lines.append(rate(context, zone, values.rate_limit))
    if application and site.connections:
        lines.append(connections(context, "all", site.connections))
    if values.connections:
        zone = zone_suffix(context, rules.origins["connections"])
        lines.append(connections(context, zone, values.connections))
    return lines


def zone_suffix(context: Context, key: str) -> str:
    """A name for what is counted under a key of `nginx.locations`."""
    return str(sorted(context.app.nginx.locations).index(key))


def rate(context: Context, suffix: str, limit: RateLimit) -> str:
    """The directive; its zone is noted for the http level."""
    zone = f"groundcrew-{context.name}-rate-{suffix}"
    context.zones[zone] = (
        f"limit_req_zone $groundcrew_client zone={zone}:{ZONE_SIZE} rate={limit.rate}"
    )
    burst = f" burst={limit.burst}" if limit.burst else ""
    nodelay = " nodelay" if limit.burst and limit.nodelay else ""
    return f"limit_req zone={zone}{burst}{nodelay}"


def connections(context: Context, suffix: str, number: int) -> str:
    """The same for requests at the same time."""
    zone = f"groundcrew-{context.name}-connections-{suffix}"
    context.zones[zone] = f"limit_conn_zone $groundcrew_client zone={zone}:{ZONE_SIZE}"
    return f"limit_conn {zone} {number}"
