"""The settings of a front end, and how it and the application share a site's paths."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from groundcrew.manifest import urls
from groundcrew.manifest.frontend import Frontend
from groundcrew.manifest.model import AppSettings

APP: dict[str, Any] = {"source": {"directory": "x"}, "entry": "a:b", "health": {"path": "/health"}}


def front_end(**changes: Any) -> Frontend:
    return Frontend.model_validate(changes)


def test_defaults_are_those_of_a_single_page_application() -> None:
    settings = front_end()
    assert (settings.build, settings.output, settings.url) == ("host", "dist", "/")
    assert settings.spa
    assert settings.precompress
    assert settings.asset_urls == ("/assets/",)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "page"),
        ("/about/us", "page"),
        ("/assets/app-1.js", "asset"),
        ("/api", "application"),
        ("/api/", "application"),
        ("/api/users?page=1", "application"),
        ("/health", "application"),
        ("/health?full=1", "application"),
        ("/healthy", "page"),
        ("/static/x.css", "static"),
        ("/media/x.png", "media"),
    ],
)
def test_api_prefixes_go_to_the_application(path: str, kind: str) -> None:
    site = {"frontend": {"api": ["/api/", "/health"]}, "static": {"path": "s"}, "media": {}}
    assert urls.kind_of(AppSettings.model_validate({**APP, **site}), path) == kind


def test_below_a_path_of_its_own_it_answers_only_there() -> None:
    site = AppSettings.model_validate({**APP, "frontend": {"url": "/app/", "api": []}})
    assert urls.kind_of(site, "/app/x") == "page"
    assert urls.kind_of(site, "/app/assets/x.js") == "asset"
    assert urls.kind_of(site, "/other") == "application"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"api": []}, "api: .* name here what"),
        ({"api": ["/"]}, "would leave the front end nothing"),
        ({"api": ["api/"]}, "pattern"),
        ({"api": ["/a b"]}, "pattern"),
        ({"url": "/app"}, "pattern"),
        ({"assets": ["/assets"]}, "pattern"),
        ({"output": "../dist"}, "stays inside"),
        ({"node": "lts"}, "pattern"),
        ({"build": "later"}, "'host', 'operator' or 'none'"),
        ({"registry": "npm.example.com"}, "pattern"),
        ({"command": ""}, "at least 1"),
    ],
)
def test_wrong_values_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        front_end(**changes)


def test_versions_of_node() -> None:
    assert front_end(node="22").node == "22"
    assert front_end(node="22.12.0").node == "22.12.0"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"health": {"path": "/"}}, "add it to frontend.api"),
        ({"frontend": {"api": ["/api/"]}}, "add it to frontend.api"),
        (
            {"static": {"path": "s", "url": "/assets/"}},
            "frontend.assets: /assets/ is static.url too",
        ),
    ],
)
def test_front_end_and_application_share_a_site(changes: dict[str, Any], message: str) -> None:
    sound = {**APP, "frontend": {"api": ["/api/", "/health"]}, "static": {"path": "s"}}
    AppSettings.model_validate(sound)
    with pytest.raises(ValidationError, match=message):
        AppSettings.model_validate({**sound, **changes})
