"""The ASGI example: a greeting, a health path, and two that show how a server treats requests."""

from __future__ import annotations

import asyncio
import os

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

LONGEST = 60
"""Seconds that a request may ask to wait."""


async def page(_: Request) -> PlainTextResponse:
    """The greeting that the settings gave the process."""
    return PlainTextResponse(os.environ.get("GREETING", "(not set)"))


async def health(_: Request) -> JSONResponse:
    """Healthy as soon as it can answer."""
    return JSONResponse({"status": "ok"})


async def slow(request: Request) -> JSONResponse:
    """Answers after `seconds`: is a running request finished when its release is replaced?"""
    try:
        asked = float(request.query_params.get("seconds", "1"))
    except ValueError:
        asked = 1.0
    seconds = min(max(asked, 0.0), LONGEST)
    await asyncio.sleep(seconds)
    return JSONResponse({"seconds": seconds, "process": os.getpid()})


async def echo(request: Request) -> JSONResponse:
    """Gives the body back, and what the application was told about the request."""
    body = await request.body()
    facts = {
        "address": request.headers.get("x-forwarded-for"),
        "body": body.decode(errors="replace"),
        "scheme": request.url.scheme,
        "url": str(request.url),
    }
    return JSONResponse(facts)


app = Starlette(
    routes=[
        Route("/", page),
        Route("/health", health),
        Route("/slow", slow),
        Route("/echo", echo, methods=["POST"]),
    ]
)
