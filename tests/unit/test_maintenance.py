from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from groundcrew.entries import Directory, File
from groundcrew.manifest import maintenance_page
from groundcrew.manifest.maintenance import Maintenance
from groundcrew.manifest.model import AppSettings
from groundcrew.manifest.paths import AppPaths
from groundcrew.releases.maintenance import log_line, note
from groundcrew.roles.nginx.header_sets import BASELINE
from groundcrew.roles.nginx.maintenance import health_pattern, maintenance_files
from groundcrew.roles.nginx.settings import NginxSettings
from tests.unit.nginx_files import site_file
from tests.unit.project import Project

SETTINGS = NginxSettings()


def app(**values: Any) -> AppSettings:
    return AppSettings.model_validate(
        {"source": {"directory": "src"}, "entry": "shop:app", "domains": ["shop.test"], **values}
    )


def texts(name: str = "shop", **values: Any) -> tuple[str, str]:
    """What nginx gets: the visitors, and the site's part."""
    visitors, site = maintenance_files(SETTINGS, name, app(**values))
    return str(visitors.content), str(site.content)


def headers(text: str) -> dict[str, str]:
    lines = re.findall(r'^ +add_header (\S+) "(.*)" always;$', text, re.MULTILINE)
    assert len(dict(lines)) == len(lines)
    return dict(lines)


def test_the_site_includes_both_files() -> None:
    site = site_file(SETTINGS, "shop", app())
    before, _, server = site.partition("\nserver {")
    for file in maintenance_files(SETTINGS, "shop", app()):
        part = before if "visitors" in file.path else server
        assert f"include {file.path.removeprefix('/etc/nginx/')};" in part


def test_a_file_switches_it_for_all_but_those_who_are_let_in() -> None:
    visitors, site = texts("my-shop", maintenance={"allow": ["192.0.2.7", "10.1.2.3/8"]})
    assert "geo $groundcrew_visitor_my_shop {" in visitors
    assert re.findall(r"^ {4}(.*);$", visitors, re.MULTILINE) == [
        "default 1",
        "192.0.2.7/32 0",
        "10.0.0.0/8 0",
    ]
    assert "if (-f /srv/my-shop/maintenance/on) {" in site
    assert "set $groundcrew_closed $groundcrew_visitor_my_shop;" in site
    assert "alias /srv/my-shop/maintenance/page.html;" in site


def test_a_stopped_application_is_closed_to_all_but_not_its_neighbours() -> None:
    _, site = texts(prefix="/shop", health={"path": "/health"})
    order = ['if ($uri ~ "^/shop/health$")', "if (-f /srv/shop/maintenance/stopped) {",
             "set $groundcrew_closed 1;", 'if ($uri !~ "^(/shop)(/|$)")']  # fmt: skip
    places = [site.index(text) for text in order]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("path", "pattern"),
    [
        ("/health", '"^/health$"'),
        ("/health?deep=1", '"^/health$"'),
        ("/a.b/c+d", '"^/a\\\\.b/c\\\\+d$"'),
        ("/a%20b", '"^/a\\\\ b$"'),
        ("/$x", '"^/\\\\$x$"'),
        ("/", None),
        ("/?x", None),
    ],
)
def test_the_health_path_as_nginx_compares_it(path: str, pattern: str | None) -> None:
    assert health_pattern(path) == pattern


def test_a_health_path_that_is_the_front_page_is_for_the_host_itself() -> None:
    _, site = texts(health={"path": "/"})
    assert 'if ($groundcrew_request = "127.0.0.1 /") {' in site
    assert '$uri ~ "' not in site
    _, site = texts(health={"path": "/health"})
    assert "127.0.0.1" not in site


def test_the_page_carries_the_sites_headers_but_a_policy_of_its_own() -> None:
    overrides = {
        "referrer-policy": "same-origin",
        "X-Frame-Options": None,
        "content-security-policy": "default-src *",
    }
    _, site = texts(nginx={"headers": overrides}, maintenance={"retry_after": 60})
    site_headers = headers(site)
    assert site_headers["Retry-After"] == "60"
    assert site_headers["Cache-Control"] == "no-store"
    assert site_headers["referrer-policy"] == "same-origin"
    policy = site_headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'")
    assert "script-src" not in policy
    assert "X-Frame-Options" not in site_headers
    assert "content-security-policy" not in site_headers
    changed = {"Content-Security-Policy", "Referrer-Policy", "X-Frame-Options"}
    for name in BASELINE.keys() - changed:
        assert site_headers[name] == BASELINE[name]


def test_the_page_is_asked_for_by_path_so_that_any_method_gets_it() -> None:
    _, site = texts()
    assert "set $groundcrew_page /groundcrew-maintenance/shop.html;" in site
    assert "location = /groundcrew-maintenance/shop.html {" in site
    assert "client_max_body_size 0;" in site


def test_the_default_page_is_whole_in_itself() -> None:
    page = maintenance_page.page(Maintenance(retry_after=120), Path("/nowhere")).decode()
    assert page.startswith("<!doctype html>")
    assert 'http-equiv="refresh" content="120"' in page
    assert not re.search(r"src=|href=|url\(|<script|groundcrew", page)


def test_the_operators_own_page(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_bytes(b"<p>\xc3\xa4</p>")
    page = maintenance_page.page(Maintenance(page="page.html"), tmp_path)
    folder, file = maintenance_page.entries(AppPaths("shop"), page)
    assert folder == Directory("/srv/shop/maintenance")
    assert isinstance(file, File)
    assert (file.path, file.data) == ("/srv/shop/maintenance/page.html", b"<p>\xc3\xa4</p>")
    assert (file.mode, file.user) == ("0644", "root")


def test_a_page_that_is_missing_is_an_error_of_the_settings(project: Project) -> None:
    project.app(more="maintenance: {page: gone.html}\n")
    layer, key, message = project.error()
    assert (layer, key) == ("apps/shop.yml", "app.shop.maintenance.page")
    assert message == f"no file {project.root / 'gone.html'}"


@pytest.mark.parametrize(
    ("data", "key"),
    [
        ({"maintenance": "perhaps"}, "run.maintenance"),
        ({"since": "soon"}, "run.since"),
        ({"lines": 0}, "run.lines"),
    ],
)
def test_what_playbooks_are_told_is_checked(
    project: Project, data: dict[str, Any], key: str
) -> None:
    project.app()
    project.data = data
    assert project.error()[:2] == ("--data", key)


def test_the_flag_and_the_log_say_who_and_when(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROUNDCREW_OPERATOR", "o'neil")
    assert "o'neil" in note()
    command = log_line(AppPaths("shop"), "on").get_raw_value()
    printed = command.replace(">> /srv/shop/releases.log", "")
    line = subprocess.run(["sh", "-c", printed], capture_output=True, text=True, check=True).stdout
    assert re.fullmatch(
        r'\{"time": "[0-9TZ:-]+", "action": "maintenance", "operator": "o\'neil@[^"]+", '
        r'"result": "on"\}\n',
        line,
    )
