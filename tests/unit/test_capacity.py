"""Limits from the kernel to the applications fit each other, or a run says which ones do not."""

from __future__ import annotations

from typing import Any

import pytest

from groundcrew.manifest.model import AppSettings
from groundcrew.roles.base.settings import BaseSettings
from groundcrew.roles.capacity import SOMAXCONN, conflicts
from groundcrew.roles.nginx.settings import NginxSettings


def problems(base: dict[str, Any], nginx: dict[str, Any], **app: Any) -> dict[str, str]:
    shop = {"source": {"directory": "src"}, "entry": "shop:app", **app}
    apps = {"shop": AppSettings.model_validate(shop)}
    items = conflicts(BaseSettings(**base), NginxSettings(**nginx), apps)
    return {".".join(key): message for key, message in items}


def test_the_defaults_fit() -> None:
    for server in ({}, {"type": "uvicorn"}, {"type": "uwsgi"}):
        assert problems({}, {}, server=server) == {}
    # The kernel's own value.
    assert problems({"sysctl": {SOMAXCONN: None}}, {}) == {}


@pytest.mark.parametrize(
    ("base", "nginx", "app", "key"),
    [
        ({}, {"backlog": 8192}, {}, "nginx.backlog"),
        ({}, {}, {"server": {"backlog": 5000}}, "app.shop.server.backlog"),
        ({}, {}, {"server": {"type": "uwsgi", "listen": 5000}}, "app.shop.server.listen"),
        ({"sysctl": {SOMAXCONN: "1024"}}, {"backlog": 512}, {}, "app.shop.server.backlog"),
        ({"sysctl": {SOMAXCONN: "lots"}}, {}, {}, f"base.sysctl.{SOMAXCONN}"),
        (
            {},
            {},
            {"server": {"worker_connections": 4096}, "limits": {"open_files": 4096}},
            "app.shop.limits.open_files",
        ),
    ],
)
def test_what_does_not_is_named(
    base: dict[str, Any], nginx: dict[str, Any], app: dict[str, Any], key: str
) -> None:
    assert [*problems(base, nginx, **app)] == [key]
    # Raised together, they fit.
    raised = {"sysctl": {SOMAXCONN: 16384}}
    if "worker_connections" not in str(app):
        assert problems(raised, nginx, **app) == {}
