"""Locations of nginx: which paths, who answers them, under which rules."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from groundcrew.manifest.model import AppSettings
from groundcrew.manifest.rules import rules_for
from groundcrew.roles.nginx.context import prefixes_below, servers
from groundcrew.roles.nginx.settings import NginxSettings
from groundcrew.sha_crypt import sha512_crypt
from tests.unit.nginx_files import OWN, contents, locations_file, site_file

FRONTEND = {"api": ["/api/", "/health"]}


def app(**values: Any) -> AppSettings:
    base = {
        "source": {"directory": "src"},
        "entry": "shop:app",
        "domains": ["shop.test"],
        "health": {"path": "/health"},
    }
    return AppSettings.model_validate({**base, **values})


def rules(locations: dict[str, Any], **values: Any) -> AppSettings:
    return app(nginx={"locations": locations}, **values)


def location(text: str, match: str) -> list[str]:
    """The directives of one location."""
    body = text.split(f"\nlocation {match} {{\n", 1)[1].split("\n}\n", 1)[0]
    return [line.strip().rstrip(";") for line in body.splitlines()]


def headers(settings: AppSettings, directives: list[str]) -> str:
    """The headers file that a location includes."""
    [name] = [line.split("/")[-1] for line in directives if "include groundcrew/headers/" in line]
    return contents(NginxSettings(), {"shop": settings})[f"{OWN}/headers/{name}"]


def test_rules_hold_for_longer_paths_until_those_say_otherwise() -> None:
    site = rules(
        {
            "/": {"rate_limit": {"rate": "10r/s"}, "headers": {"X-A": "1"}},
            "/admin/": {"allow": ["10.0.0.0/8"], "headers": {"X-B": "2"}},
            "/admin/up/": {"client_max_body_size": "1G"},
            "/admin/open/": {"allow": None},
            "= /admin/up/x": {"deny": True},
        }
    ).nginx.locations
    effective = rules_for("/admin/up/y", site)
    assert effective.values.allow == ("10.0.0.0/8",)
    assert effective.values.client_max_body_size == "1G"
    assert effective.values.headers == {"X-A": "1", "X-B": "2"}
    assert effective.origins["rate_limit"] == "/"
    assert rules_for("/admin/open/x", site).values.allow is None
    assert rules_for("/admin/up/x", site).values.deny
    assert not rules_for("/admin/up/x", site, exact=False).values.deny
    assert rules_for("/other", site).values.allow is None


def test_an_application_alone_has_one_plain_location() -> None:
    text = locations_file(app())
    assert text.count("\nlocation ") == 1
    assert location(text, "/") == [
        "limit_req zone=groundcrew-requests burst=1000 delay=200",
        "limit_conn groundcrew-connections 1024",
        "include groundcrew/passing/shop.conf",
        'proxy_set_header Connection ""',
    ]


def test_the_front_end_gets_what_the_api_leaves() -> None:
    settings = app(frontend=FRONTEND)
    text = locations_file(settings)
    page = location(text, "/")
    assert "try_files $uri $uri/index.html /index.html =404" in page
    assert not [line for line in page if "passing" in line]
    assert "$groundcrew_page_cache always" in headers(settings, page)
    for match in ("/api/", "= /api", "= /health"):
        assert "include groundcrew/passing/shop.conf" in location(text, match)
    asset = location(text, "^~ /assets/")
    assert "try_files /current$uri /kept$uri =404" in asset
    assert "$groundcrew_asset_cache always" in headers(settings, asset)


def test_a_front_end_below_a_path_of_its_own() -> None:
    settings = app(prefix="/shop", frontend={"url": "/app/", "spa": False, "api": []})
    text = locations_file(settings)
    page = location(text, "/shop/app/")
    assert {"root /srv/shop/frontend/current", "try_files $uri $uri/ =404"} <= set(page)
    assert "return 308 /shop/app/$is_args$args" in location(text, "= /shop/app")
    assert "include groundcrew/passing/shop.conf" in location(text, "/shop/")


def test_rules_reach_every_kind_of_location() -> None:
    text = locations_file(
        rules({"/": {"allow": ["10.0.0.0/8"]}}, frontend=FRONTEND, static={"path": "s"}, media={})
    )
    for match in ("/", "/api/", "= /health", "^~ /assets/", "^~ /static/", "^~ /media/"):
        assert "deny all" in location(text, match), match


def test_limits_of_the_application_count_what_reaches_it() -> None:
    site = {"rate_limit": {"rate": "5r/s", "burst": 0}, "connections": 9}
    settings = app(nginx=site, static={"path": "s"})
    text = locations_file(settings)
    assert "limit_req zone=groundcrew-shop-rate-all" in location(text, "/")
    assert "limit_conn groundcrew-shop-connections-all 9" in location(text, "/")
    # Files keep the host's own number of requests at the same time.
    assert [line for line in location(text, "^~ /static/") if line.startswith("limit_")] == [
        "limit_conn groundcrew-connections 1024"
    ]
    http = site_file(NginxSettings(), "shop", settings)
    assert "limit_req_zone $groundcrew_client zone=groundcrew-shop-rate-all:10m rate=5r/s;" in http


def limits(text: str, match: str) -> list[str]:
    return [line for line in location(text, match) if line.startswith("limit_")]


def test_limits_of_a_location_replace_the_hosts_and_add_to_the_applications() -> None:
    locations = {
        "/api/": {"rate_limit": {"rate": "1000r/h", "burst": 9, "delay": 4}},
        "/api/open/": {"rate_limit": None},
        "/free/": {"limits": False},
        "/free/not/": {"limits": True},
    }
    default = ["limit_req zone=groundcrew-requests burst=1000 delay=200"]
    number = ["limit_conn groundcrew-connections 1024"]
    text = locations_file(rules(locations))
    own = "limit_req zone=groundcrew-shop-rate-0 burst=9 delay=4"
    assert limits(text, "/api/") == [own, *number]
    assert limits(text, "/api/open/") == limits(text, "/") == default + number
    assert limits(text, "/free/") == []
    assert limits(text, "/free/not/") == default + number
    both = app(nginx={"locations": locations, "rate_limit": {"rate": "9r/s", "nodelay": False}})
    of_application = "limit_req zone=groundcrew-shop-rate-all burst=20"
    assert limits(locations_file(both), "/api/") == [of_application, own, *number]
    site = site_file(NginxSettings(), "shop", both)
    # Whole requests a minute, rounded up.
    assert "zone=groundcrew-shop-rate-0:10m rate=17r/m;" in site
    off = app(nginx={"limits": False, "locations": locations})
    assert limits(locations_file(off), "/") == []
    assert limits(locations_file(off), "/free/not/") == default + number


def test_the_hosts_limits_can_be_changed_and_lifted() -> None:
    def lines(**values: Any) -> list[str]:
        files = contents(NginxSettings(limits=values), {"shop": app()})
        return limits(files[f"{OWN}/locations/shop.conf"], "/")

    assert lines(rate=None, connections=9) == ["limit_conn groundcrew-connections 9"]
    assert lines(connections=None, burst=0) == ["limit_req zone=groundcrew-requests"]
    assert lines(connections=None, burst=5) == [
        "limit_req zone=groundcrew-requests burst=5 nodelay"
    ]
    lifted = contents(NginxSettings(limits={"rate": None, "connections": None}), {"shop": app()})
    assert "_zone " not in lifted[f"{OWN}/limits.conf"]
    allowed = contents(NginxSettings(limits={"allow": ["192.0.2.0/24"]}), {})
    assert "    192.0.2.0/24 0;" in allowed[f"{OWN}/limits.conf"]


def test_the_health_path_is_neither_cached_nor_locked_away_from_the_host() -> None:
    guarded = rules({"/": {"cache": {}, "basic_auth": {"al": {"env": "X"}}}})
    passwords = {"shop": {("/", "al"): SecretStr("secret")}}
    files = contents(NginxSettings(), {"shop": guarded}, passwords)
    text = files[f"{OWN}/locations/shop.conf"]
    assert "include groundcrew/cached.conf" in location(text, "/")
    health = location(text, "= /health")
    assert "include groundcrew/cached.conf" not in health
    assert [line for line in health if line.startswith(("allow", "deny", "auth"))] == [
        "allow 127.0.0.1",
        "allow ::1",
        "deny all",
    ]
    assert files[f"{OWN}/users/shop.0"].startswith("al:$6$")
    assert "keys_zone=groundcrew-uwsgi:10m" in files[f"{OWN}/cache-paths.conf"]


def test_nothing_is_kept_on_disk_where_nobody_asks_for_it() -> None:
    assert (
        "_cache_path" not in contents(NginxSettings(), {"shop": app()})[f"{OWN}/cache-paths.conf"]
    )


def test_a_decision_is_asked_for_in_a_plain_request() -> None:
    site = rules({"/in/": {"auth_request": "/check"}}, server={"worker_class": "uvicorn"})
    text = locations_file(site)
    assert "auth_request /groundcrew-auth/shop/check" in location(text, "/in/")
    assert "proxy_set_header Upgrade $groundcrew_upgrade" in location(text, "/in/")
    decision = location(text, "= /groundcrew-auth/shop/check")
    assert {"internal", "rewrite ^ /check break", 'proxy_set_header Connection ""'} <= {*decision}
    assert not [line for line in decision if "Upgrade" in line]


def test_origins_are_named_or_all_without_credentials() -> None:
    friend = {"cors": {"origins": ["https://friend.test"], "credentials": True}}
    settings = rules({"/api/": friend})
    text = headers(settings, location(locations_file(settings), "/api/"))
    assert "Access-Control-Allow-Origin $groundcrew_origin_shop_0 always" in text
    assert "proxy_hide_header Access-Control-Allow-Origin" in text
    assert "hide_header Vary" not in text
    assert '"https://friend.test" "https://friend.test";' in site_file(
        NginxSettings(), "shop", settings
    )


def test_applications_by_prefix_share_a_server() -> None:
    apps = {
        "shop": app(prefix="/shop", nginx={"client_max_body_size": "1M"}),
        "main": app(nginx={"headers": {"X-Main": "1"}}),
    }
    assert [(server.owner, list(server.apps)) for server in servers(apps)] == [
        ("main", ["main", "shop"])
    ]
    files = contents(NginxSettings(), apps)
    main = files["/etc/nginx/sites-enabled/groundcrew-main.conf"]
    assert "server {" in main
    assert "include groundcrew/locations/shop.conf;" in main
    other = files["/etc/nginx/sites-enabled/groundcrew-shop.conf"]
    assert "server {" not in other
    text = files[f"{OWN}/locations/shop.conf"]
    shop = location(text, "/shop/")
    assert "access_log /var/log/nginx/shop.access.log groundcrew" in shop
    assert "client_max_body_size 1M" in shop
    # Its own headers, not those of the application whose server it is in.
    assert "include groundcrew/headers/shop.conf" in shop
    assert "return 308 /shop/$is_args$args" in location(text, "= /shop")
    # The maintenance of one is not the other's.
    assert prefixes_below(apps, "main") == ["/shop"]
    assert prefixes_below(apps, "shop") == []
    assert '"^(/shop)(/|$)"' in files[f"{OWN}/maintenance/main.conf"]


def test_without_an_application_at_the_root_there_is_nothing() -> None:
    apps = {name: app(prefix=f"/{name}") for name in ("a", "b")}
    files = contents(NginxSettings(), apps)
    assert "return 404;" in files["/etc/nginx/sites-enabled/groundcrew-a.conf"]


@pytest.mark.parametrize(
    ("locations", "message"),
    [
        ({"/a b": {}}, "pattern"),
        ({"/a;": {}}, "pattern"),
        ({"/": {"cors": {"origins": ["*"], "credentials": True}}}, "every site"),
        ({"/": {"cors": {"origins": ["https://a.test/"]}}}, "pattern"),
        ({"/": {"cors": {"origins": ["*", "https://a.test"]}}}, "covers all"),
        ({"/": {"cors": {"origins": []}}}, "at least 1"),
        ({"/": {"rate_limit": {"rate": "10"}}}, "pattern"),
        ({"/": {"rate_limit": {"rate": "599r/h"}}}, "nginx cannot count"),
        ({"/": {"connections": 0}}, "greater than or equal to 1"),
        ({"/": {"allow": ["10.0.0.300"]}}, "does not appear"),
        ({"/": {"basic_auth": {"a:b": {"env": "X"}}}}, "pattern"),
        ({"/": {"auth_request": "/x y"}}, "pattern"),
        ({"/x/": {"return": {"status": 301}}}, "url: .* and no other status has one"),
        (
            {"/x/": {"return": {"status": 200, "url": "/y"}}},
            "url: .* and no other status has one",
        ),
        ({"/x/": {"return": {"status": 200}, "deny": True}}, "either deny or return"),
        ({"/x/": {"return": {"status": 200, "text": "$host"}}}, r"'\$'"),
        ({"/": {"buffering": False}, "/x/": {"cache": {}}}, "/x/.cache: needs buffering"),
        ({"/": {"cache": {"valid": 0}}}, "greater than or equal to 1"),
        ({"/": {"deny": True}}, "health.path: .* would say nothing"),
        ({"= /health": {"return": {"status": 200}}}, "health.path: .* would say nothing"),
    ],
)
def test_wrong_rules_are_refused(locations: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        rules(locations)


def test_a_closed_path_is_closed_without_its_slash_too() -> None:
    settings = rules({"/admin/": {"allow": ["10.0.0.0/8"]}})
    text = locations_file(settings)
    assert "deny all" in location(text, "= /admin")
    assert rules_for("/admin", settings.nginx.locations).values.allow
    assert rules_for("/administrator", settings.nginx.locations).values.allow is None


def test_exactly_one_path_may_end_with_a_slash() -> None:
    settings = rules({"= /clock/": {"cache": {}}, "/clock/": {"allow": ["10.0.0.0/8"]}})
    text = locations_file(settings)
    assert "deny all" in location(text, "= /clock/")
    assert "deny all" in location(text, "= /clock")
    assert "= =" not in text


def test_dots_in_paths_are_refused_where_a_path_is_closed() -> None:
    for locations, refused in (({"/admin/": {"deny": True}}, True), ({"/x/": {}}, False)):
        text = site_file(NginxSettings(), "shop", rules(locations))
        assert ("if ($groundcrew_dots)" in text) == refused


def test_constant_answers_replace_each_other() -> None:
    settings = rules(
        {
            "/old/": {"return": {"status": 301, "url": "/new"}},
            "/old/closed/": {"deny": True},
            "/old/open/": {"return": None},
        }
    )
    text = locations_file(settings)
    assert 'return 301 "/new"' in location(text, "/old/")
    assert "return 403" in location(text, "/old/closed/")
    assert "include groundcrew/passing/shop.conf" in location(text, "/old/open/")


def test_hashes_are_those_of_crypt() -> None:
    for salt, length in (("saltstring", 12), ("0123456789abcdef", 70)):
        password = ("Hello world!" * 6)[:length]
        hashed = subprocess.run(
            ["openssl", "passwd", "-6", "-salt", salt, "-stdin"],
            input=password,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        assert sha512_crypt(password, salt) == hashed


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prefix": "shop"}, "pattern"),
        ({"prefix": "/shop/"}, "pattern"),
        ({"media": {"url": "/static/"}, "static": {"path": "s"}}, "media.url: /static/"),
        (
            {"static": {"path": "s", "url": "/health/"}, "health": {"path": "/health/x"}},
            "nginx ans",
        ),
    ],
)
def test_paths_have_one_answer(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        app(**changes)
