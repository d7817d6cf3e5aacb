"""What faces balancers and visitors: schemes, checks, PROXY, redirects, private files, caching."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from groundcrew.entries import Absent, Directory, File
from groundcrew.manifest.model import AppSettings
from groundcrew.manifest.paths import AppPaths
from groundcrew.roles import tls
from groundcrew.roles.app.builders import directories
from groundcrew.roles.nginx.again import again_ms
from groundcrew.roles.nginx.context import Https
from groundcrew.roles.nginx.files import configuration, drop_in
from groundcrew.roles.nginx.settings import NginxSettings
from groundcrew.roles.tls.builders import certbot_command
from groundcrew.roles.tls.settings import AcmeSettings
from tests.unit.nginx_files import OWN, contents, site_file
from tests.unit.project import Project
from tests.unit.test_nginx_templates import block, directives

ACME = {"certificate": {"type": "acme"}}
MANIFEST = "source: {directory: src}\nentry: a:b\n"
SITE = "/etc/nginx/sites-enabled/groundcrew-shop.conf"
BALANCER = NginxSettings(trusted_proxies=("10.0.0.4",))


def app(**values: Any) -> AppSettings:
    base = {"source": {"directory": "src"}, "entry": "shop:app", "domains": ["shop.test"]}
    return AppSettings.model_validate({**base, **values})


def files(settings: NginxSettings = BALANCER, **values: Any) -> dict[str, str]:
    return contents(settings, {"shop": app(**values)})


def matching(text: str, opening: str, value: str) -> list[str]:
    """What the expressions of a map give for a value, in order, the default last."""
    lines = block(text, opening)
    parts = [line.split('" ') for line in lines if line.startswith('"~')]
    patterns = [(key.removeprefix('"~').replace("\\\\", "\\"), result) for key, result in parts]
    [default] = [line.split()[1] for line in lines if line.startswith("default")]
    hits = [
        result
        for key, result in patterns
        if re.search(key.removeprefix("*"), value, re.IGNORECASE if key.startswith("*") else 0)
    ]
    return [*hits, default]


def test_visitors_of_a_balancer_that_ends_tls_use_https() -> None:
    behind: dict[str, Any] = {
        "nginx": {"forwarded_proto": "https"},
        "redirects": {"www.shop.test": "shop.test"},
    }
    assert app(**behind).scheme == "https"
    assert (app().scheme, app(tls=ACME).scheme) == ("http", "https")
    text = files(**behind)[f"{OWN}/visitors.conf"]
    usual = "$groundcrew_usual_scheme {"
    assert matching(text, usual, "80:shop.test")[0] == "https"
    assert matching(text, usual, "80:www.shop.test")[0] == "https"
    for other in ("8080:shop.test", "80:shopXtest", "80:shop.test.evil", "80:my.shop.test"):
        assert matching(text, usual, other)[0] == "$scheme", other
    # What the balancer says itself holds, and nobody else's word.
    scheme = "$groundcrew_scheme {"
    assert matching(text, scheme, "1 http")[0] == "http"
    assert matching(text, scheme, "1 https")[0] == "https"
    assert matching(text, scheme, "0 http")[0] == "$groundcrew_usual_scheme"


def test_a_health_path_over_plain_http_is_asked_as_visitors_ask() -> None:
    text = files(tls={**ACME, "plain_health": True})[f"{OWN}/visitors.conf"]
    assert matching(text, "$groundcrew_usual_scheme {", "80:shop.test")[0] == "https"


@pytest.mark.parametrize("behind", [{"tls": ACME}, {"nginx": {"forwarded_proto": "https"}}])
def test_strict_headers_know_how_visitors_come(behind: dict[str, Any]) -> None:
    strict = NginxSettings(header_set="strict")
    upgraded = "upgrade-insecure-requests"
    assert upgraded in files(strict, **behind)[f"{OWN}/headers/shop.conf"]
    assert upgraded not in files(strict)[f"{OWN}/headers/shop.conf"]


def test_one_place_ends_tls() -> None:
    with pytest.raises(ValidationError, match="leave one of them out"):
        app(tls=ACME, nginx={"forwarded_proto": "https"})


def test_a_check_by_address() -> None:
    settings = NginxSettings.model_validate({"balancer_check": {"app": "shop"}})
    default = files(settings, health={"path": "/up?full=1"})[f"{OWN}/default-server.conf"]
    lines = block(default, 'location = "/up" {')
    assert "include groundcrew/passing/shop.conf" in lines
    assert "limit_req zone=groundcrew-requests burst=1000 delay=200" in lines
    assert not [line for line in lines if line.startswith(("allow", "deny"))]
    assert block(default, "location / {") == ["return 444"]
    # Asked by its own name: frameworks refuse others.
    visitors = files(settings)[f"{OWN}/visitors.conf"]
    assert '"80:groundcrew-balancer-check" shop.test;' in visitors
    for kind in ("proxy", "uwsgi"):
        text = files(settings)[f"{OWN}/{kind}.conf"]
        assert text.count("$groundcrew_name;") == 2


def test_a_check_is_for_the_balancers_where_they_are_known() -> None:
    check = {"app": "shop", "path": "/lb"}
    given = {"trusted_proxies": ["10.0.0.4"], "balancer_check": check}
    settings = NginxSettings.model_validate(given)
    default = files(settings, prefix="/below")[f"{OWN}/default-server.conf"]
    lines = block(default, 'location = "/below/lb" {')
    assert lines[-6:-2] == ["allow 10.0.0.4/32", "allow 127.0.0.1", "allow ::1", "deny all"]
    assert "error_page 403 =444 /" in lines
    other = NginxSettings.model_validate({**given, "balancer_check": {**check, "allow": ["::2"]}})
    assert "allow ::2/128;" in files(other)[f"{OWN}/default-server.conf"]


def test_unknown_names_are_refused_as_before_without_a_check() -> None:
    default = files()[f"{OWN}/default-server.conf"]
    assert block(default, "server {")[-1] == "return 444"
    assert "location" not in default


def test_a_check_that_nobody_answers(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.app()
    project.groups["web"]["nginx"] = {"balancer_check": {"app": "shp"}}
    _, key, message = project.error()
    assert key == "nginx.balancer_check.app"
    assert message == '"shp" is no application of this host (known: shop)'
    project.write("apps/shp.yml", MANIFEST + "port: 81\n")
    project.groups["web"]["apps"].append("shp")
    assert "answers to every name on port 81 already" in project.error()[2]


PROXY = NginxSettings(trusted_proxies=("10.0.0.4",), proxy_protocol=True)


def test_the_proxy_protocol_on_every_port_but_not_for_the_host_itself() -> None:
    https = Https(nginx=(1, 26, 0))
    shop = app(tls=ACME, redirects={"www.shop.test": "shop.test"})
    entries = configuration(PROXY, {"shop": shop}, None, https)
    texts = {entry.path: str(entry.content) for entry in entries if isinstance(entry, File)}
    for path in (SITE, f"{OWN}/default-server.conf"):
        listens = [line for line in directives(texts[path]) if line.startswith("listen ")]
        for line in listens:
            own = "127.0.0.1:" in line or "[::1]:" in line
            assert ("proxy_protocol" in line) != own, line
        for port in ("80", "443"):
            sites = [line for line in listens if re.match(rf"listen (\S*:)?{port}\b", line)]
            # As often by each of the four addresses.
            assert len(sites) % 4 == 0
            assert sum("127.0.0.1" in line for line in sites) * 4 == len(sites)
    visitors = texts[f"{OWN}/visitors.conf"]
    assert "real_ip_header proxy_protocol;" in visitors
    # Who passes on connections passes on what clients say, X-Forwarded-Proto too.
    assert "$http_x_forwarded_proto" not in visitors


def test_the_proxy_protocol_needs_somebody_who_speaks_it() -> None:
    with pytest.raises(ValidationError, match="trusted_proxies: proxy_protocol needs them"):
        NginxSettings(proxy_protocol=True)
    assert "proxy_protocol" not in files()[SITE]


def test_names_that_lead_to_another() -> None:
    redirects = {"www.shop.test": "shop.test", "*.old.test": "shop.test"}
    plain = files(redirects=redirects)[SITE]
    server = plain[plain.index("# Redirects every request to the site's main name") :]
    assert "server_name www.shop.test *.old.test;" in server
    led = "return 308 $groundcrew_scheme://shop.test$groundcrew_host_port$request_uri"
    assert block(server, "location / {") == [led]
    text = files(redirects={"www.shop.test": "shop.test"}, tls=ACME)[SITE]
    text = text[text.index("# Redirects every request to the site's main name") :]
    assert text.count("server_name www.shop.test;") == 2
    assert "return 308 https://shop.test$request_uri;" in text
    assert "/.well-known/acme-challenge/" in text
    assert "ssl_certificate /etc/ssl/groundcrew/shop/fullchain.pem;" in text


def test_certbot_is_asked_for_the_names_that_lead_away() -> None:
    item = app(redirects={"www.shop.test": "shop.test"}, tls=ACME)
    command = certbot_command("shop", item, AcmeSettings(), again=False)
    assert command.endswith("--domain shop.test --domain www.shop.test")
    assert tls.builders.bootstrap_command({"shop": item}).count("DNS:www.shop.test") == 1


@pytest.mark.parametrize(
    ("shop", "blog", "key", "message"),
    [
        ("redirects: {a.test: a.test}", "", "app.shop.redirects.a.test",
         '"a.test" is among domains'),
        ("redirects: {www.a.test: b.test}", "", "app.shop.redirects.www.a.test",
         'leads to "b.test", which is not'),
        ("redirects: {b.test: a.test}", "domains: [b.test]", "app.blog.domains", "is among the"),
        ("redirects: {c.test: a.test}", "domains: [b.test]\nredirects: {c.test: b.test}",
         "app.blog.redirects", '"c.test" on port 80 belongs to application "shop"'),
        ("redirects: {c.test: a.test}", "domains: [a.test]\nprefix: /blog",
         "app.blog.redirects", "both need the same redirects"),
        ("nginx: {forwarded_proto: https}", "domains: [a.test]\nprefix: /blog",
         "app.blog.nginx", "both need the same nginx.forwarded_proto"),
    ],
)  # fmt: skip
def test_what_does_not_go_together(
    tmp_path: Path, shop: str, blog: str, key: str, message: str
) -> None:
    project = Project(tmp_path)
    project.app(text=f"{MANIFEST}domains: [a.test]\n{shop}\n")
    if blog:
        project.app("blog", text=f"{MANIFEST}{blog}\n")
    _, name, text = project.error()
    assert name == key
    assert message in text


def test_private_files() -> None:
    private = {"path": "in/voices", "url": "/protected/"}
    shop = app(private=private, prefix="/below")
    entries = files(private=private, prefix="/below")
    locations = entries[f"{OWN}/locations/shop.conf"]
    lines = block(locations, "location ^~ /below/protected/ {")
    assert "internal" in lines
    assert "alias /srv/shop/shared/in/voices/" in lines
    assert "disable_symlinks on from=/srv/shop/shared/in/voices" in lines
    places = entries[f"{OWN}/private.conf"]
    beyond = "$groundcrew_beyond {"
    assert matching(places, beyond, "shop /below/protected/x")[0] == "0"
    for other in ("blog /below/protected/x", "shop /other/x", "shop /groundcrew-auth/x", " /x"):
        assert matching(places, beyond, other) == ["1"], other
    assert "$groundcrew_astray" in entries[SITE]
    modes = {item.path: item.mode for item in directories(AppPaths("shop"), shop)
             if isinstance(item, Directory)}  # fmt: skip
    assert modes["/srv/shop/shared/in/voices"] == "2750"
    assert modes["/srv/shop/shared/in"] == modes["/srv/shop/shared"] == "0710"


def test_an_application_leads_nginx_nowhere_unless_it_has_private_files() -> None:
    without = files()
    for kind, protocol in (("http", "proxy"), ("uwsgi", "uwsgi")):
        path = f"{OWN}/passing/shop.{kind}"
        ignored = f"{protocol}_ignore_headers X-Accel-Redirect"
        assert ignored in directives(without[path])
        text = directives(files(private={"path": "x"})[path])
        assert ignored not in text
        assert "set $groundcrew_sender shop" in text
    assert "astray" not in without[SITE]
    assert Absent(f"{OWN}/private.conf") in configuration(BALANCER, {"shop": app()})


@pytest.mark.parametrize("path", ["media", "media/x", "up"])
def test_private_files_are_not_among_the_public_ones(path: str) -> None:
    media = {"path": "up/loads" if path == "up" else "media"}
    with pytest.raises(ValidationError, match="everybody can read what is in media"):
        app(private={"path": path}, media=media)


def test_hashed_static_files_are_kept_for_a_year() -> None:
    text = files(static={"path": "static"})[SITE]
    opening = "$groundcrew_static_shop {"
    kept = '"public, max-age=31536000, immutable"'
    for uri in ("/static/a.55e7cbb9ba48.css", "/static/a.min.55e7cbb9ba48.js.map"):
        assert matching(text, opening, f"200 {uri}")[0] == kept, uri
        assert matching(text, opening, f"404 {uri}") == ["no-store"]
    for uri in ("/static/a.css", "/static/a.55e7cbb9ba4.css", "/static/55e7cbb9ba48.css"):
        assert matching(text, opening, f"200 {uri}")[0] == "max-age=3600", uri
    own = {"path": "static", "immutable": [r"-[A-Za-z0-9_]{8}\.js$"]}
    text = files(static=own)[SITE]
    assert matching(text, opening, "304 /static/a-Ab_12345.js")[0] == kept
    assert matching(text, opening, "200 /static/a.55e7cbb9ba48.css")[0] == "max-age=3600"
    with pytest.raises(ValidationError, match="is no regular expression"):
        app(static={"path": "static", "immutable": ["(js"]})


def test_caches_are_told_of_what_an_application_compresses() -> None:
    text = files()[f"{OWN}/maps.conf"]
    opening = "$groundcrew_vary {"
    told = '"Accept-Encoding"'
    for given in ("gzip|", "br|Cookie", "gzip|Accept-Language, Cookie"):
        assert matching(text, opening, given)[0] == told, given
    for given in ("|", "|Cookie", "gzip|Accept-Encoding", "br|Cookie, accept-encoding", "gzip|*"):
        assert matching(text, opening, given) == ['""'], given
    assert "add_header Vary $groundcrew_vary always;" in files()[f"{OWN}/headers/shop.conf"]


@pytest.mark.parametrize(
    ("server", "milliseconds"),
    [
        ({}, 13500),
        ({"timeout": 2}, 900),
        ({"timeout": 60, "graceful_timeout": 10}, 4500),
        ({"type": "uwsgi"}, 13500),
        ({"type": "uwsgi", "harakiri": 4}, 1800),
        ({"type": "uvicorn", "timeout_graceful_shutdown": 20}, 9000),
        ({"type": "command", "command": "x {socket}", "stop_timeout": 8}, 3600),
    ],
)
def test_a_request_that_its_server_gives_up_is_not_made_again(
    server: dict[str, Any], milliseconds: int
) -> None:
    item = app(server=server)
    assert again_ms(item.server) == milliseconds
    for kind, protocol in (("http", "proxy"), ("uwsgi", "uwsgi")):
        text = files(server=server)[f"{OWN}/passing/shop.{kind}"]
        assert f"{protocol}_next_upstream_timeout {milliseconds}ms;" in text


def test_nginx_comes_back_at_once_and_never_gives_up() -> None:
    [_, file] = drop_in(NginxSettings())
    text = str(getattr(file, "content", ""))
    assert "StartLimitIntervalSec=0\n" in text
    assert "RestartSec=50ms\n" in text
    assert "Group=adm\nUMask=0027\n" in text


def test_an_application_alone_needs_nothing_of_this() -> None:
    text = site_file(NginxSettings(), "shop", app())
    assert text.count("server {") == 1
    assert "127.0.0.1" not in text
