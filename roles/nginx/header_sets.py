"""Sets of response headers: one that breaks no ordinary application, and a strict one.

Strict-Transport-Security belongs to `tls` of an application.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from groundcrew.apps.model import AppSettings
from groundcrew.headers import merge
from roles.nginx.settings import NginxSettings

POLICY = "Content-Security-Policy"
EMBEDDER = "Cross-Origin-Embedder-Policy"

# Scripts and styles may be anywhere; what they can be tricked into is bounded. Forms may lead to
# other sites, as a login by another site does, but not to plain HTTP.
BASELINE = {
    POLICY: (
        "base-uri 'self'; form-action 'self' https:; frame-ancestors 'self'; object-src 'none'"
    ),
    # Popups of a login by another site go on working.
    "Cross-Origin-Opener-Policy": "same-origin-allow-popups",
    "Permissions-Policy": (
        "accelerometer=(), gyroscope=(), hid=(), idle-detection=(), keyboard-map=(), "
        "magnetometer=(), midi=(), serial=(), usb=(), xr-spatial-tracking=()"
    ),
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "X-Permitted-Cross-Domain-Policies": "none",
}
YIELDING = {
    POLICY: "$groundcrew_baseline_policy",
    "Cross-Origin-Opener-Policy": "$groundcrew_baseline_opener",
    "Permissions-Policy": "$groundcrew_baseline_permissions",
    "Referrer-Policy": "$groundcrew_baseline_referrer",
    "X-Frame-Options": "$groundcrew_baseline_frames",
}
"""Headers of the baseline that an application's own replace, and nginx's variables for them."""

# OWASP Secure Headers Project. What default-src 'self' would allow is said one by one, so that
# kinds of content which come up later are closed.
STRICT = {
    POLICY: (
        "default-src 'none'; connect-src 'self'; font-src 'self'; frame-src 'self'; "
        "img-src 'self'; manifest-src 'self'; media-src 'self'; script-src 'self'; "
        "style-src 'self'; worker-src 'self'; base-uri 'self'; form-action 'self'; "
        "frame-ancestors 'none'; object-src 'none'"
    ),
    EMBEDDER: "require-corp",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": (
        "accelerometer=(), autoplay=(), camera=(), cross-origin-isolated=(), display-capture=(), "
        "encrypted-media=(), fullscreen=(), geolocation=(), gyroscope=(), keyboard-map=(), "
        "magnetometer=(), microphone=(), midi=(), payment=(), picture-in-picture=(), "
        "publickey-credentials-get=(), screen-wake-lock=(), sync-xhr=(self), usb=(), "
        "web-share=(), xr-spatial-tracking=(), clipboard-read=(), clipboard-write=(), "
        "gamepad=(), hid=(), idle-detection=(), serial=(), unload=()"
    ),
    # no-referrer would make browsers send "Origin: null" with a site's own forms, which frameworks
    # take for forged ones.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Permitted-Cross-Domain-Policies": "none",
}


@dataclass(frozen=True)
class SiteHeaders:
    """The response headers of a site."""

    values: Mapping[str, str]
    """Name -> value."""

    yielding: Mapping[str, str] = field(default_factory=dict)
    """Of these, what the application's own replace -> nginx's variable for it."""


def site_headers(settings: NginxSettings, app: AppSettings | None = None) -> SiteHeaders:
    """Those of the host or, with an application, of its site: its set, and over it
    `nginx.security_headers` and the application's own settings."""
    site = app.nginx if app else None
    chosen = (site and site.header_set) or settings.header_set
    overrides = merge_overrides(settings.security_headers, app.headers if app else {})
    if chosen == "baseline":
        said = {name.lower() for name in overrides}
        yielding = {name: value for name, value in YIELDING.items() if name.lower() not in said}
        return SiteHeaders(merge(BASELINE, overrides), yielding)
    report_only = site.report_only if site else None
    values = strict(
        settings.report_only if report_only is None else report_only,
        (site and site.report_uri) or settings.report_uri,
        https=bool(app and app.scheme == "https"),
    )
    return SiteHeaders(merge(values, overrides))


def merge_overrides(*layers: Mapping[str, str | None]) -> dict[str, str | None]:
    """Layers of headers, the later ones over the others; None stays, for what it removes."""
    found: dict[str, tuple[str, str | None]] = {}
    for layer in layers:
        found |= {name.lower(): (name, value) for name, value in layer.items()}
    return dict(found.values())


def strict(report_only: bool, report_uri: str | None, *, https: bool) -> dict[str, str]:
    """The strict set. What it would break is only reported while `report_only`; until it is
    enforced, the baseline's policy holds."""
    values = dict(STRICT)
    policy = values[POLICY]
    if https and not report_only:
        policy += "; upgrade-insecure-requests"
    if report_uri:
        policy += f"; report-uri {report_uri}"
    values[POLICY] = policy
    if report_only:
        values |= {
            f"{POLICY}-Report-Only": policy,
            f"{EMBEDDER}-Report-Only": values.pop(EMBEDDER),
            POLICY: BASELINE[POLICY],
        }
    return values
