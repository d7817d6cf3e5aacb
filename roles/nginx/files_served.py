"""Directives for files that nginx serves itself, by kind."""

from __future__ import annotations

from collections.abc import Callable

from groundcrew.manifest.urls import Kind
from groundcrew.roles.nginx.context import Context
from groundcrew.roles.nginx.headers import quote
from groundcrew.templates import render

NO_DOT_FILES = r"location ~ /\. { return 404; }"
LEFTOVERS = r"~$|#$|\.(?:bak|old|orig|rej|save|sw[op])$"
"""Backup files of editors and patches, which may expose source code or old versions."""
NO_LEFTOVERS = f'location ~* "/\\.|{LEFTOVERS}" {{ return 404; }}'
MEDIA_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"


def computed_headers(context: Context, kind: Kind) -> dict[str, str]:
    """Response headers of a kind of files, besides the application's own."""
    if kind == "static":
        return {"Cache-Control": static_cache(context)}
    if kind == "page":
        return {"Cache-Control": "$groundcrew_page_cache"}
    if kind == "asset":
        return {"Cache-Control": "$groundcrew_asset_cache"}
    if kind == "media":
        return {
            "Content-Disposition": "$groundcrew_disposition",
            "Content-Security-Policy": quote(MEDIA_POLICY),
            "X-Content-Type-Options": '"nosniff"',
        }
    return {}


def static(context: Context, url: str) -> list[str]:
    """Static files of the live release and, for a while, of earlier releases."""
    settings = context.app.static
    rest = url[len(settings.url) :] if settings else ""
    return [f"alias {context.paths.static}/{rest}", NO_LEFTOVERS]


def static_cache(context: Context) -> str:
    """The nginx variable with the Cache-Control of a static file. Its map is added to
    `context.zones`."""
    variable = f"$groundcrew_static_{context.name.replace('-', '_')}"
    settings = context.app.static
    hashed = (
        [quote(f"~^(?:200|206|304) .*(?:{item})") for item in settings.immutable]
        if settings
        else []
    )
    context.zones[variable] = render(
        "nginx/static-cache.conf.j2", variable=variable, hashed=hashed
    ).rstrip()
    return variable


def media(context: Context, url: str) -> list[str]:
    """Uploaded files. Symbolic links are not followed: an upload must not expose other files."""
    settings = context.app.media
    directory = f"{context.paths.shared}/{settings.path if settings else ''}"
    rest = url[len(settings.url) :] if settings else ""
    return [
        f"alias {directory}/{rest}",
        f"disable_symlinks on from={directory}",
        "include groundcrew/media-types.conf",
        NO_DOT_FILES,
    ]


def private(context: Context, url: str) -> list[str]:
    """Files that the application sends through nginx (X-Accel-Redirect)."""
    settings = context.app.private
    directory = f"{context.paths.shared}/{settings.path if settings else ''}"
    rest = url[len(settings.url) :] if settings else ""
    return [
        "internal",
        f"alias {directory}/{rest}",
        f"disable_symlinks on from={directory}",
        "include groundcrew/media-types.conf",
        NO_DOT_FILES,
    ]


def page(context: Context, _: str) -> list[str]:
    """The front end's files. With `spa`, paths without a file get index.html."""
    frontend = context.app.frontend
    if frontend is None or not frontend.spa:
        tries = ["index index.html", "absolute_redirect off", "try_files $uri $uri/ =404"]
    else:
        index = context.full(f"{frontend.url}index.html")
        tries = [f"try_files $uri $uri/index.html {index} =404"]
    return [
        f"root {context.paths.frontend}/current",
        *tries,
        *compressed(context),
        f'location ~* "/\\.(?!well-known/)|{LEFTOVERS}" {{ return 404; }}',
    ]


def compressed(context: Context) -> list[str]:
    """Serves precompressed files (`.gz`, `.br`) if they exist."""
    return ["gzip_static on", *(["brotli_static on"] if context.settings.brotli else [])]


def asset(context: Context, _: str) -> list[str]:
    """The assets of the live release, or those of earlier releases that open pages still
    request."""
    most = context.settings.open_file_cache
    return [
        f"root {context.paths.frontend}",
        "try_files /current$uri /kept$uri =404",
        *compressed(context),
        *([f"open_file_cache max={most}", "open_file_cache_valid 1s"] if most else []),
        NO_LEFTOVERS,
    ]


FILES: dict[Kind, Callable[[Context, str], list[str]]] = {
    "static": static,
    "media": media,
    "private": private,
    "page": page,
    "asset": asset,
}
