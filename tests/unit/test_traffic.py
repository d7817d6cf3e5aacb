"""What counts requests by application, and the alerts that follow."""

from __future__ import annotations

import re
from typing import Any

import pytest

from groundcrew.entries import Directory, File
from groundcrew.manifest.model import AppSettings
from groundcrew.metrics import HOSTS
from groundcrew.roles import combined
from groundcrew.roles.logrotate import LogrotateSettings
from groundcrew.roles.logrotate.builders import configuration
from groundcrew.roles.nginx import NginxSettings, traffic
from groundcrew.roles.nginx.traffic_rules import rules
from tests.unit.nginx_files import OWN, contents
from tests.unit.project import Project
from tests.unit.test_role_metrics import monitored

COUNTED = NginxSettings().counting(True)


def app(**values: Any) -> AppSettings:
    return AppSettings.model_validate(
        {"source": {"directory": "src"}, "entry": "shop:app", "domains": ["shop.test"], **values}
    )


def test_nothing_is_counted_without_a_host_that_monitors(project: Project) -> None:
    project.app()
    assert not combined.web(project.settings()).counts
    texts = contents(NginxSettings(), {"shop": app()})
    assert f"{OWN}/traffic.conf" not in texts
    assert not [path for path, text in texts.items() if "traffic" in text]
    assert combined.web(monitored(project).settings()).counts


def test_each_application_is_counted_once_and_only_where_it_answers() -> None:
    tls = {"certificate": {"type": "self-signed"}}
    apps = {
        "shop": app(tls=tls, redirects={"www.shop.test": "shop.test"}),
        "blog": app(prefix="/blog", tls=tls),
    }
    texts = contents(COUNTED, apps)
    sites = {path: text for path, text in texts.items() if traffic.LOG_FILE in text}
    assert set(sites) == {
        "/etc/nginx/sites-enabled/groundcrew-shop.conf",
        f"{OWN}/locations/blog.conf",
    }
    # The servers that redirect to it are not it.
    assert sites["/etc/nginx/sites-enabled/groundcrew-shop.conf"].count(traffic.LOG_FILE) == 1
    blocks = [
        block
        for block in texts[f"{OWN}/locations/blog.conf"].split("location ")
        if "/var/log/nginx/blog.access.log" in block
    ]
    assert blocks
    assert all(traffic.log_line("blog") in block for block in blocks)
    assert "include groundcrew/traffic.conf;" in texts["/etc/nginx/nginx.conf"]


def test_no_name_has_two_meanings() -> None:
    """nginx takes the last definition and says nothing."""
    texts = contents(COUNTED, {"shop": app(), "blog": app(prefix="/blog")})
    names = [
        name
        for path, text in texts.items()
        if "/groundcrew/" in path
        for name in re.findall(r"^(?:map|geo) .*(\$\w+) \{$", text, re.MULTILINE)
    ]
    assert len(names) > 3
    assert len(names) == len(set(names))


def test_the_log_has_nothing_that_a_client_can_choose() -> None:
    text = traffic.configuration(["shop", "blog"])
    formats = re.findall(r"log_format (\S+)\s+'([^']*)';", text)
    assert [name for name, _ in formats] == ["groundcrew-traffic-blog", "groundcrew-traffic-shop"]
    for name, line in formats:
        assert line.startswith(name.removeprefix("groundcrew-traffic-") + " ")
        assert set(re.findall(r"\$\w+", line)) == {
            "$status", "$request_time", "$upstream_header_time", "$upstream_response_time",
        }  # fmt: skip


def program(**apps: AppSettings) -> str:
    [file] = [item for item in traffic.entries(apps) if isinstance(item, File)]
    return file.data.decode()


@pytest.mark.parametrize(
    ("line", "matches"),
    [
        ("shop 200 0.123 0.120;0.121", True),
        ("shop-2 499 3.300 -;3.300", True),
        ("shop 502 2.300 0.000, - : 0.001;0.000, 2.000 : 0.001", True),
        ("shop 404 0.000 -;-", True),
        ("shop 999 0.000 -;-", False),
        ('shop 200 0.123 0.120;0.121 "evil"', False),
        ("evil\tshop 200 0.123 0.120;0.121", False),
        # Whoever could write the log makes no labels either.
        ("evil 200 0.123 0.120;0.121", False),
    ],
)
def test_which_lines_count(line: str, matches: bool) -> None:
    [pattern] = re.findall(
        r"^/(\^.*\$)/ \{$", program(**{"shop": app(), "shop-2": app()}), re.MULTILINE
    )
    assert bool(re.search(pattern, line)) is matches


def test_targets_are_among_the_buckets() -> None:
    [line] = [
        item for item in program(shop=app(slo={"p99": 0.8})).splitlines() if "buckets" in item
    ]
    buckets = [float(item) for item in line.partition("buckets ")[2].split(", ")]
    assert buckets == sorted(buckets)
    assert {0.1, 0.8, 2, 10} <= set(buckets)


def test_its_reader_may_read_that_log_alone() -> None:
    [folder] = [
        item
        for item in traffic.entries({})
        if isinstance(item, Directory) and item.path == traffic.FOLDER
    ]
    # nginx's workers pass; files get the group.
    assert (folder.mode, folder.user, folder.group) == ("2751", "root", traffic.GROUP)
    exporter = traffic.exporter(3903)
    assert (exporter.groups, exporter.logs) == ((traffic.GROUP,), traffic.FOLDER)
    log = traffic.log("reopen")
    assert (log.paths, log.reopen) == ((traffic.LOG_FILE,), "reopen")
    # logrotate would first make a file that only root can read.
    assert "nocreate" in configuration(LogrotateSettings(), log)


def test_applications_with_the_same_targets_share_their_alerts() -> None:
    alerts = list(rules({"a": app(), "b": app(), "c": app(slo={"success": 99.9, "errors": 1})}))
    assert len(alerts) == 2 * len({rule.name for rule in alerts})
    first, other = (
        [rule for rule in alerts if rule.name == "ApplicationErrors" and names in rule.expression]
        for names in ('app=~"a|b"', 'app=~"c"')
    )
    assert "> 5 and" in first[0].expression
    assert "> 1 and" in other[0].expression
    for rule in alerts:
        selectors = re.findall(r"\{([^{}]*)\}", rule.expression)
        assert selectors
        assert all(HOSTS in item for item in selectors)
        assert "groundcrew_maintenance" in rule.expression
    [burning] = [
        rule
        for rule in alerts
        if rule.name == "ErrorBudgetBurning" and 'app=~"c"' in rule.expression
    ]
    # 14.4 and 6 times 0.1 %.
    assert re.findall(r"\[(\d+)s\]\)\) > ([\d.]+)", burning.expression) == [
        ("3600", "1.44"), ("300", "1.44"), ("21600", "0.6"), ("1800", "0.6"),
    ]  # fmt: skip
