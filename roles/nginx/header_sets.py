"""Sets of response headers: a baseline that breaks no ordinary application, and a strict set.

Strict-Transport-Security is set by an application's `tls`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from groundcrew.headers import merge
from groundcrew.manifest.model import AppSettings
from groundcrew.roles.nginx.settings import NginxSettings

POLICY = "Content-Security-Policy"
EMBEDDER = "Cross-Origin-Embedder-Policy"

# Scripts and styles may come from anywhere; the policy limits what an injected one can do. Forms
# may submit to other sites, as logins through another site do, but only over HTTPS.
BASELINE = {
    POLICY: (
        "base-uri 'self'; form-action 'self' https:; frame-ancestors 'self'; object-src 'none'"
    ),
    # Popups for a login through another site keep working.
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
"""Headers of the baseline that the application's own headers replace -> nginx's variable."""

# OWASP Secure Headers Project. The sources that default-src 'self' would allow are listed one by
# one, so that future kinds of content stay blocked.
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
    # With no-referrer, browsers would send "Origin: null" with a site's own forms, which frameworks
    # reject as forged.
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
    """Those of them that the application's own headers replace -> nginx's variable."""


def site_headers(settings: NginxSettings, app: AppSettings | None = None) -> SiteHeaders:
    """The headers of the host or, with `app`, of its site: the header set, overridden by
    `nginx.security_headers`, then by the application's settings."""
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
    """Layers of headers, later ones override earlier ones. None stays: it removes a header."""
    overrides: dict[str, tuple[str, str | None]] = {}
    for layer in layers:
        overrides |= {name.lower(): (name, value) for name, value in layer.items()}
    return dict(overrides.values())


def strict(report_only: bool, report_uri: str | None, *, https: bool) -> dict[str, str]:
    """The strict set. With `report_only`, the policies that could break a site are only reported,
    and the baseline's policy applies."""
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
