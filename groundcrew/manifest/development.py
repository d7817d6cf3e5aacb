"""Development mode: one worker that reloads changed code automatically and logs at level debug."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import JsonValue, StringConstraints

from groundcrew.manifest.server import GunicornServer, Server, UwsgiServer
from groundcrew.manifest.uvicorn import UvicornServer

Checkout = Annotated[str, StringConstraints(pattern=r"^(/[A-Za-z0-9._-]+)+$")]

DEBUGGERS = ("FLASK_DEBUG",)
"""Variables that enable a framework's debugger."""
OFF = ("", "0", "f", "false", "n", "no", "off", "none")


def single(data: Any) -> Any:
    """The raw settings; in development mode with one instance."""
    if isinstance(data, Mapping) and data.get("mode") == "development":
        return {**data, "instances": 1}
    return data


def server(settings: Server) -> Server:
    """The server's settings for development mode: one worker, no replacement after a number of
    requests, log level debug. gunicorn cannot reload the code of uvicorn workers, so uvicorn
    replaces it."""
    if isinstance(settings, GunicornServer) and settings.worker_class == "uvicorn":
        return UvicornServer(
            type="uvicorn",
            workers=1,
            keep_alive=settings.keep_alive,
            timeout_graceful_shutdown=settings.graceful_timeout,
            backlog=settings.backlog,
            log_level="debug",
        )
    update: dict[str, Any] = {}
    if isinstance(settings, GunicornServer):
        update = {"workers": 1, "log_level": "debug", "max_requests": 0, "preload": False}
    elif isinstance(settings, UvicornServer):
        update = {"workers": 1, "log_level": "debug", "limit_max_requests": None}
    elif isinstance(settings, UwsgiServer):
        update = {"processes": 1, "max_requests": 0, "access_log": True}
    return settings.model_copy(update=update)


def problem(
    mode: str, server_type: str, checkout: str | None, env: Mapping[str, JsonValue]
) -> tuple[str | tuple[str, ...], str] | None:
    """The key that contradicts the mode, and why; None if nothing does."""
    if mode == "development":
        if server_type == "command":
            return (
                "mode",
                "`development` cannot change what a command does; give it another command",
            )
        return None
    if checkout:
        return "checkout", "is for `mode: development`; in production the release's own code runs"
    for name in DEBUGGERS:
        if str(env.get(name, "")).lower() not in OFF and env.get(name) is not None:
            text = "switches the framework's debugger on: only with `mode: development`"
            return ("env", name), text
    return None
