"""Cross-origin resource sharing in nginx's syntax."""

from __future__ import annotations

from groundcrew.apps.cors import Cors
from groundcrew.apps.rules import Rules
from groundcrew.templates import render
from roles.nginx.access import zone_suffix
from roles.nginx.context import Context
from roles.nginx.headers import quote

PREFLIGHT = "if ($groundcrew_preflight) { return 204; }"
"""Answered before passwords are asked for: browsers send none with it."""


def sharing(context: Context, rules: Rules) -> dict[str, str]:
    """The headers, computed for each request: only sites that are named get an answer with their
    name. The maps that they need are noted for the http level."""
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
    """A header that is a list; none where it is empty."""
    return {header: quote(", ".join(values))} if values else {}


def hidden(cors: Cors | None) -> tuple[str, ...]:
    """The application's own headers of this kind, which would come beside ours."""
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
