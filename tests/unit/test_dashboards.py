"""Dashboards: the panels of all roles, the pages, the site that shows them, and Grafana's files."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import yaml

from groundcrew.contract import Brings, Port
from groundcrew.dashboards import Panel, Query, panel
from groundcrew.entries import Absent, File, Link, Purge
from groundcrew.metrics import Measured, Neighbour
from groundcrew.roles import combined
from groundcrew.roles.monitoring import builders, dashboards, grafana
from groundcrew.roles.monitoring.selectors import selector
from groundcrew.roles.monitoring.settings import MonitoringSettings
from groundcrew.roles.nginx.context import Https
from groundcrew.roles.nginx.files import configuration, nothing_served
from groundcrew.roles.nginx.settings import NginxSettings
from groundcrew.templates import TEMPLATES
from tests.unit.project import Project

PAGES = TEMPLATES / "monitoring" / "dashboards"
SITE = {
    "domains": ["mon.test"],
    "certificate": {"type": "self-signed"},
    "users": {"ops": {"env": "DASHBOARDS_PASSWORD"}},
}
PASSWORD = "a-word-that-nobody-may-see"


@pytest.fixture
def watched(project: Project) -> Project:
    """Two hosts with applications and all servers, and one that monitors them."""
    project.app()
    project.app("blog", text="source: {directory: src}\nentry: shop:app\ndomains: [blog.test]\n")
    project.hosts = {
        "web1": (["web", "postgresql", "mariadb", "redis"], {"address": "10.0.0.1"}),
        "web2": (["web"], {"address": "10.0.0.2"}),
        "mon1": (["monitoring"], {"address": "10.0.0.9"}),
    }
    project.all = {
        "backup": {
            "key": {"command": "echo a-key-that-is-long-enough-for-this"},
            "targets": {"disk": {"type": "directory", "path": "/backup"}},
        },
        "monitoring": {"interval": 5},
    }
    return project


def hosts_of(project: Project) -> tuple[Neighbour, ...]:
    return project.settings("mon1").place.hosts


def shown(project: Project) -> dict[str, Any]:
    settings = project.settings("mon1")
    content: dict[str, Any] = json.loads(
        dashboards.content(settings.monitoring, settings.place.hosts)
    )
    return content


def neighbour(name: str, *panels: Panel) -> Neighbour:
    return Neighbour(name, "10.0.0.1", measured=lambda: Measured((), (), panels))


def test_every_role_brings_its_part(watched: Project) -> None:
    data = shown(watched)
    titles = {
        board["name"]: {item["title"] for item in board["panels"]} for board in data["boards"]
    }
    assert list(titles) == ["fleet", "host", "application", "databases", "backups"]
    assert {"CPU in use", "Alerts that fire", "Requests"} <= titles["fleet"]
    assert {"CPU by what it does", "File systems"} <= titles["host"]
    assert {
        "Requests by class of status", "Requests with errors by host", "Response time",
        "Requests in progress", "Budget of errors that is left", "Releases",
    } <= titles["application"]  # fmt: skip
    for server in ("PostgreSQL", "MariaDB", "Redis"):
        assert any(title.startswith(server) for title in titles["databases"])
    assert "Age of the last drill" in titles["backups"]
    [board] = [item for item in data["boards"] if item["name"] == "application"]
    assert (board["hosts"], board["apps"]) == (["web1", "web2"], ["blog", "shop"])


def test_a_host_that_nobody_monitors_has_none(project: Project) -> None:
    project.app()
    assert project.settings().brought.measured.panels == ()


def test_a_panel_of_several_hosts_is_one_and_knows_whose_each_query_is() -> None:
    both, other = Query("up{$hosts}"), Query("down{$hosts}")
    hosts = [
        neighbour("b", panel("fleet", "Up", both)),
        neighbour("a", panel("fleet", "Up", both), panel("host", "More", other)),
        neighbour("c", panel("fleet", "Up", other)),
    ]
    data = json.loads(dashboards.content(MonitoringSettings(), hosts))
    [fleet, host] = data["boards"]
    [merged] = fleet["panels"]
    assert [(item["expression"], item["hosts"], item["all"]) for item in merged["queries"]] == [
        ("up{$hosts}", ["a", "b"], 'instance=~"a|b"'),
        ("down{$hosts}", ["c"], 'instance=~"c"'),
    ]
    assert host["hosts"] == ["a"]


def test_selectors_choose_what_they_name_and_nothing_else() -> None:
    assert selector(["web1.example.com"]) == r'instance=~"web1\\.example\\.com"'
    assert selector(["a", 'b"} or vector(1) or up{x="'], "app") == (
        r'app=~"a|b\"\\}\\ or\\ vector\\(1\\)\\ or\\ up\\{x=\""'
    )


class Page(HTMLParser):
    """What a page consists of."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_the_page_needs_nothing_inline_and_nothing_from_elsewhere() -> None:
    page = Page()
    page.feed((PAGES / "index.html").read_text())
    assert not [tag for tag, _ in page.tags if tag == "style"]
    for tag, values in page.tags:
        assert not [name for name in values if name.startswith("on") or name == "style"]
        assert tag != "script" or values.get("src") in {"chart.js", *dashboards.PAGES}
        for name in ("src", "href"):
            assert "//" not in (values.get(name) or "")
    assert "unsafe" not in dashboards.POLICY
    assert "unsafe" not in (PAGES / "index.html").read_text()


def test_what_is_measured_becomes_text_and_never_mark_up() -> None:
    for path in PAGES.glob("*.js"):
        code = path.read_text()
        for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
            assert word not in code, path.name


@pytest.mark.skipif(not shutil.which("node"), reason="there is no Node.js")
@pytest.mark.parametrize(
    ("call", "told"),
    [
        ("words.value(1536, 'bytes')", "1.5 KiB"),
        ("words.value(0.25, 's')", "250 ms"),
        ("words.value(864000, 's')", "10 d"),
        ("words.value(1234567, '')", "1.23 M"),
        ("words.value(NaN, '%')", "\N{EN DASH}"),
        ("words.legend('{{app}} on {{instance}}', {app: '<b>$&', instance: 'web1'})",
         "<b>$& on web1"),
        ("words.legend('{{job}} {{app}} of {{instance}}', {job: 'host', instance: 'web1'})",
         "host of web1"),
    ],
)  # fmt: skip
def test_values_and_names_are_for_people(call: str, told: str) -> None:
    code = (PAGES / "words.js").read_text() + f"\nprocess.stdout.write({call});"
    done = subprocess.run(["node", "-e", code], capture_output=True, text=True, check=True)
    assert done.stdout == told


def test_the_files_are_served_by_prometheus_and_their_chart_library_is_debians() -> None:
    entries = dashboards.entries(MonitoringSettings(), [])
    links = [item for item in entries if isinstance(item, Link)]
    assert [(item.path, item.target) for item in links] == [
        (f"{builders.ASSETS}/chart.js", "/usr/share/javascript/chart.js/chart.min.js")
    ]
    [unit] = [
        item for item in builders.drop_ins(MonitoringSettings())
        if isinstance(item, File) and builders.PROMETHEUS in item.path
    ]  # fmt: skip
    assert f"--web.user-assets={builders.ASSETS}" in unit.data.decode()


@pytest.fixture
def site(watched: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The dashboards have a site."""
    monkeypatch.setenv("DASHBOARDS_PASSWORD", PASSWORD)
    watched.all["monitoring"] = {"dashboards": SITE}
    return watched


def served(project: Project, host: str = "mon1") -> dict[str, File]:
    loaded = project.load()[host]
    sites = combined.served(loaded)
    entries = configuration(
        combined.web(loaded.settings), loaded.settings.app, loaded.passwords, Https(), sites
    )
    return {item.path: item for item in entries if isinstance(item, File)}


def test_the_site_asks_for_a_login_and_passes_on_two_questions(site: Project) -> None:
    text = served(site)["/etc/nginx/sites-enabled/groundcrew-monitoring.dashboards.conf"]
    lines = text.data.decode()
    https = lines.partition("listen 443")[2]
    assert '\n    auth_basic "monitoring.dashboards";\n' in https
    assert "\n    auth_basic_user_file groundcrew/users/monitoring.dashboards;\n" in https
    assert re.findall(r"location (.+) {\n.*\n.*limit_except GET", https) == [
        "= /api/v1/query", "= /api/v1/query_range", "/"
    ]  # fmt: skip
    assert re.findall("proxy_pass (.+);", lines) == [
        "http://127.0.0.1:9090/api/v1/query",
        "http://127.0.0.1:9090/api/v1/query_range",
        "http://127.0.0.1:9090/user/",
    ]
    assert "ssl_certificate /etc/ssl/groundcrew/monitoring.dashboards/" in https
    assert 'proxy_set_header Authorization "";' in https


def test_its_policy_is_strict_whatever_applications_have(site: Project) -> None:
    headers = served(site)["/etc/nginx/groundcrew/headers/monitoring.dashboards.conf"]
    text = headers.data.decode()
    assert f'Content-Security-Policy "{dashboards.POLICY}" always' in text
    assert "Strict-Transport-Security" in text
    assert 'X-Frame-Options "DENY"' in text


def test_the_host_has_a_hash_of_the_password(site: Project) -> None:
    files = served(site)
    users = files["/etc/nginx/groundcrew/users/monitoring.dashboards"]
    assert re.fullmatch(r"ops:\$6\$[^:\n]+\n", users.data.decode())
    assert (users.mode, users.group, users.secret) == ("0640", "www-data", True)
    assert not [path for path, item in files.items() if PASSWORD.encode() in item.data]
    assert PASSWORD in site.load()["mon1"].all_secrets


def test_the_web_server_may_ask_prometheus_and_its_ports_are_open(site: Project) -> None:
    def ports(brings: Brings) -> dict[int, Port]:
        return {port.number: port for port in brings.ports}

    settings = site.settings("mon1")
    by_number = ports(settings.brought.roles["monitoring"])
    assert "www-data" in (by_number[9090].users or ())
    assert "www-data" not in (by_number[9093].users or ())
    assert (by_number[80].opened, by_number[443].opened) == ((), ())
    assert settings.brought.answering_ports >= {80, 443}
    assert "nginx" in settings.brought.packages
    [probe] = settings.brought.probes
    assert (probe.url, probe.host, probe.status) == ("https://127.0.0.1:443/", "mon.test", 401)
    # Hosts that monitor nothing have no site.
    assert not site.settings("web1").role_sites
    site.all["monitoring"] = {}
    by_number = ports(site.settings("mon1").brought.roles["monitoring"])
    assert "www-data" not in (by_number[9090].users or ())
    assert 443 not in by_number
    assert "nginx" not in site.settings("mon1").brought.packages


def test_a_host_can_have_applications_and_the_site(site: Project) -> None:
    site.hosts = {"web1": (["web", "monitoring"], {})}
    files = served(site, "web1")
    assert "/etc/nginx/sites-enabled/groundcrew-shop.conf" in files
    assert "/etc/nginx/sites-enabled/groundcrew-monitoring.dashboards.conf" in files
    # Other names are refused on the port of HTTPS too.
    default = files["/etc/nginx/groundcrew/default-server.conf"].data.decode()
    assert "listen 443 ssl http2 default_server" in default
    assert "ssl_reject_handshake on" in default


def test_a_name_cannot_be_an_applications_too(site: Project) -> None:
    site.hosts = {"web1": (["web", "monitoring"], {})}
    site.all["monitoring"] = {"dashboards": {**SITE, "domains": ["shop.test"]}}
    _, key, message = site.error()
    assert key == "monitoring.dashboards.domains"
    assert '"shop.test" belongs to application "shop"' in message


def test_a_password_that_is_missing_is_told_before_any_host_is_touched(
    site: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DASHBOARDS_PASSWORD")
    told = {(key, message) for _, key, message in site.errors()}
    assert {key for key, _ in told} == {"monitoring.dashboards.users.ops"}


@pytest.mark.parametrize("gone", ["domains", "certificate", "users"])
def test_a_site_needs_a_name_https_and_a_user(site: Project, gone: str) -> None:
    site.all["monitoring"] = {"dashboards": {key: SITE[key] for key in SITE if key != gone}}
    assert {key for _, key, _ in site.errors()} == {f"monitoring.dashboards.{gone}"}


def test_terms_of_service_are_agreed_to_for_the_site_too(site: Project) -> None:
    site.all["monitoring"] = {"dashboards": {**SITE, "certificate": {"type": "acme"}}}
    assert {key for _, key, _ in site.errors()} == {"tls.acme.agree_tos"}
    site.all["tls"] = {"acme": {"agree_tos": True}}
    assert "certbot" in site.settings("mon1").brought.packages
    lines = served(site)["/etc/nginx/sites-enabled/groundcrew-monitoring.dashboards.conf"]
    assert "/.well-known/acme-challenge/" in lines.data.decode()


def test_without_sites_and_applications_nothing_of_them_stays() -> None:
    *gone, default = nothing_served(NginxSettings())
    assert gone == [
        Purge("/etc/nginx/sites-enabled", "groundcrew-*.conf"),
        Purge("/etc/nginx/groundcrew/users", "*"),
    ]
    assert isinstance(default, File)
    assert "listen" not in default.data.decode()


def queries(project: Project) -> Iterator[tuple[str, str]]:
    """Every expression, as the page and as Grafana fills it."""
    data = shown(project)
    for board in data["boards"]:
        for item in board["panels"]:
            for query in item["queries"]:
                text = query["expression"]
                for key, value in {
                    "$hosts": query["all"], "$apps": 'app=~".+"', "$window": "60s", "$step": "15s"
                }.items():  # fmt: skip
                    text = text.replace(key, value)
                yield item["title"], text
    for text in graf(project).values():
        for item in text["panels"]:
            for target in item["targets"]:
                expression = target["expr"].replace("$__rate_interval", "60s")
                yield item["title"], expression
        for item in text["annotations"]["list"]:
            yield item["name"], item["target"]["expr"]


def graf(project: Project) -> dict[str, dict[str, Any]]:
    settings = project.settings("mon1")
    mine = settings.monitoring.model_copy(update={"grafana": True})
    entries = grafana.entries(mine, settings.place.hosts)
    return {
        Path(item.path).stem: json.loads(item.data)
        for item in entries
        if isinstance(item, File) and item.path.endswith(".json")
    }


def test_every_selector_can_be_narrowed_to_a_host(watched: Project) -> None:
    for host in hosts_of(watched):
        for item in host.measured().panels:
            for query in item.queries:
                # What is about the whole inventory says so by having none.
                if "$hosts" not in query.expression:
                    assert item.title in {"Alerts that fire", "What is not measured"}
                    continue
                for labels in re.findall(r"{([^{}]*)}", query.expression):
                    assert "$hosts" in labels, query.expression
                if query.apps and item.kind != "marks":
                    assert "$apps" in query.expression


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
def test_prometheus_understands_every_expression(watched: Project, tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{number}", "expr": text, "labels": {"title": title}}
        for number, (title, text) in enumerate(queries(watched))
    ]
    assert len(rules) > 100
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    done = subprocess.run(
        ["promtool", "check", "rules", str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_grafanas_dashboards_have_their_shape(watched: Project) -> None:
    boards = graf(watched)
    assert list(boards) == ["fleet", "host", "application", "databases", "backups"]
    for name, board in boards.items():
        assert (board["uid"], board["schemaVersion"]) == (f"groundcrew-{name}", grafana.SCHEMA)
        assert board["editable"] is False
        panels = board["panels"]
        assert [item["id"] for item in panels] == list(range(1, len(panels) + 1))
        taken: set[tuple[int, int]] = set()
        for item in panels:
            assert item["type"] in {"timeseries", "stat", "table"}
            assert item["datasource"] == {"type": "prometheus", "uid": grafana.SOURCE}
            refs = [target["refId"] for target in item["targets"]]
            assert refs
            assert len(set(refs)) == len(refs)
            assert not re.search(r"\$(hosts|apps|window|step)\b", json.dumps(item))
            place = item["gridPos"]
            assert place["x"] + place["w"] <= grafana.COLUMNS
            cells = {
                (place["x"] + x, place["y"] + y)
                for x in range(place["w"])
                for y in range(place["h"])
            }
            assert not cells & taken, "two panels overlap"
            taken |= cells
    names = [item["name"] for item in boards["application"]["templating"]["list"]]
    assert names == ["host", "app"]
    [marks] = boards["application"]["annotations"]["list"]
    assert marks["name"] == "Releases"


def test_grafana_escapes_a_name_with_a_comma() -> None:
    hosts = [neighbour('we,ird"', panel("fleet", "Up", Query("up{$hosts}")))]
    parts = dashboards.parts(hosts)["fleet"]
    board = grafana.dashboard(MonitoringSettings(), "fleet", parts)
    assert board["templating"]["list"][0]["query"] == 'we\\,ird"'
    assert board["panels"][0]["targets"][0]["expr"] == (
        'up{instance=~"we,ird\\"",instance=~"$host"}'
    )


def test_grafana_needs_a_repository_that_provides_it(watched: Project) -> None:
    watched.all["monitoring"] = {"grafana": True}
    errors = {(key, message) for _, key, message in watched.errors()}
    assert (
        "monitoring",
        "Debian has no grafana: name its repository in base.apt_sources",
    ) in errors


def test_grafana_listens_on_loopback_and_has_no_account(watched: Project) -> None:
    mine = MonitoringSettings(grafana=True, grafana_port=3001)
    [unit] = [item for item in grafana.started(mine) if isinstance(item, File)]
    text = unit.data.decode()
    assert "GF_SERVER_HTTP_ADDR=127.0.0.1 GF_SERVER_HTTP_PORT=3001" in text
    assert "GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION=true" in text
    source = yaml.safe_load(grafana.sources(mine))["datasources"][0]
    assert (source["uid"], source["url"]) == (grafana.SOURCE, "http://127.0.0.1:9090")
    [provider] = yaml.safe_load(grafana.provider())["providers"]
    assert provider["options"]["path"] == grafana.BOARDS
    without = grafana.entries(MonitoringSettings(), [])
    assert all(isinstance(item, Absent) for item in without)
