"""Cross-origin resource sharing in nginx's syntax."""

from __future__ import annotations

from groundcrew.manifest.cors import Cors
from groundcrew.manifest.rules import Rules
from groundcrew.roles.nginx.access import zone_suffix
from groundcrew.roles.nginx.context import Context
from groundcrew.roles.nginx.headers import quote
from groundcrew.templates import render

PREFLIGHT = "if ($groundcrew_preflight) { return 204; }"
"""Comes before authentication: browsers send no credentials with a preflight request."""


def sharing(context: Context, rules: Rules) -> dict[str, str]:
    """The CORS headers. The allowed origin is computed per request, so that only listed sites get
    it; its map is added to `context.zones`."""
    cors = rules.values.cors
    if cors is None:
        return {}
    variable = f"$groundcrew_origin_{context.name.replace('-', '_')}_" + zone_suffix(
        context, rules.origins["cors"]
    )
    context.zones[variable] = render("nginx/cors.conf.j2", variable=variable, cors=cors).rstrip()
    return {
        "Access-Control-Allow-Origin": variable,
        "Vary": '"Origin"',
        **(
            {"Access-Control-Allow-Credentials": f"{variable}_credentials"}
            if cors.credentials
            else {}
        ),
        **names("Access-Control-Expose-Headers", cors.expose),
        **names("Access-Control-Allow-Methods", cors.methods),
        **names("Access-Control-Allow-Headers", cors.headers),
        "Access-Control-Max-Age": quote(str(cors.max_age)),
    }


def names(header: str, values: tuple[str, ...]) -> dict[str, str]:
    """A list header; empty if there are no values."""
    return {header: quote(", ".join(values))} if values else {}


def hidden(cors: Cors | None) -> tuple[str, ...]:
    """CORS headers of the application, which would be sent in addition to nginx's."""
    return (
        (
            "Access-Control-Allow-Origin",
            "Access-Control-Allow-Credentials",
            "Access-Control-Allow-Methods",
            "Access-Control-Allow-Headers",
            "Access-Control-Expose-Headers",
            "Access-Control-Max-Age",
        )
        if cors
        else ()
    )
