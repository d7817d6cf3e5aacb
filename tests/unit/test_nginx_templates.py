"""nginx's files as real settings render them; on hosts `nginx -t` judges each before it is used."""

from __future__ import annotations

import re
import subprocess
from typing import Any

import pytest
from pydantic import ValidationError

from groundcrew.entries import Absent, File, Link, Purge
from groundcrew.manifest.model import AppSettings
from groundcrew.roles.nginx.activate import activate_command
from groundcrew.roles.nginx.brings import packages
from groundcrew.roles.nginx.drain import MARGIN, drain_seconds
from groundcrew.roles.nginx.files import configuration, default_server, drop_in
from groundcrew.roles.nginx.files_served import LEFTOVERS
from groundcrew.roles.nginx.header_sets import BASELINE, STRICT, YIELDING, site_headers
from groundcrew.roles.nginx.headers import headers_file, quote
from groundcrew.roles.nginx.settings import NginxSettings
from groundcrew.roles.nginx.sizes import nginx_size
from tests.unit.nginx_files import contents, locations_file, site_file

SETTINGS = NginxSettings()


def app(**values: Any) -> AppSettings:
    return AppSettings.model_validate(
        {"source": {"directory": "src"}, "entry": "shop:app", "domains": ["shop.test"], **values}
    )


def site(**values: Any) -> str:
    return site_file(SETTINGS, "shop", app(**values))


def passing(**values: Any) -> str:
    return contents(SETTINGS, {"shop": app(**values)})["/etc/nginx/groundcrew/passing/shop.http"]


def directives(text: str) -> list[str]:
    """Directives without comments, in order; blocks by their opening."""
    code = re.sub(r"^\s*#.*$", "", text, flags=re.MULTILINE)
    items = re.findall(r"""(?:"(?:\\.|[^"\\])*"|'[^']*'|[^;{}"'])+""", code)
    return [" ".join(item.split()) for item in items if item.strip()]


def block(text: str, opening: str) -> list[str]:
    """The directives of one block."""
    start = text.index(opening) + len(opening)
    depth, end = 1, start
    while depth:
        depth += {"{": 1, "}": -1}.get(text[end], 0)
        end += 1
    return directives(text[start : end - 1])


def test_braces_are_balanced_in_every_file() -> None:
    for path, text in contents(SETTINGS, {"shop": app(), "any": app(domains=[], port=81)}).items():
        code = re.sub(r'^\s*#.*$|"(\\.|[^"\\])*"', "", text, flags=re.MULTILINE)
        assert code.count("{") == code.count("}"), path
        assert code.strip().endswith((";", "}")), path


def test_every_file_starts_with_a_comment_that_says_why() -> None:
    for path, text in contents(SETTINGS, {"shop": app()}).items():
        assert text.startswith("# Managed by groundcrew: "), path


def test_no_include_leads_to_a_file_that_is_not_there() -> None:
    apps = {"shop": app(), "other": app(domains=["other.test"])}
    files = contents(SETTINGS, apps)
    links = {e.path for e in configuration(SETTINGS, apps) if isinstance(e, Link)}
    for path, text in files.items():
        for included in re.findall(r"^\s*include (groundcrew/[^;*]+);", text, re.MULTILINE):
            assert f"/etc/nginx/{included}" in files.keys() | links, f"{path} includes {included}"


def test_upstream_is_the_link_that_a_release_moves() -> None:
    upstream = block(site(), "upstream groundcrew-shop {")
    assert "server unix:/run/groundcrew/nginx/shop/current.sock max_fails=0" in upstream


def test_kept_connections_are_bounded_both_ways() -> None:
    settings = NginxSettings(upstream_keepalive_time=7, upstream_keepalive_timeout=3)
    upstream = block(site_file(settings, "shop", app()), "upstream groundcrew-shop {")
    assert {"keepalive 32", "keepalive_time 7s", "keepalive_timeout 3s"} <= set(upstream)
    assert drain_seconds(settings) == 7 + 3 + MARGIN


def test_a_release_appears_nowhere() -> None:
    first = configuration(SETTINGS, {"shop": app(source={"git": "https://x.test/s", "ref": "v1"})})
    second = configuration(SETTINGS, {"shop": app(source={"git": "https://x.test/s", "ref": "v2"})})
    assert first == second


def test_connection_header_is_emptied_for_wsgi() -> None:
    text = locations_file(app(server={"worker_class": "gthread"}))
    location = block(text, "location / {")
    assert 'proxy_set_header Connection ""' in location
    assert not [item for item in location if "Upgrade" in item]


def test_only_websockets_upgrade_for_asgi() -> None:
    text = locations_file(app(server={"worker_class": "uvicorn"}))
    location = block(text, "location / {")
    assert "proxy_set_header Connection $groundcrew_connection" in location
    assert "proxy_set_header Upgrade $groundcrew_upgrade" in location
    maps = contents(SETTINGS, {})["/etc/nginx/groundcrew/maps.conf"]
    assert block(maps, "map $http_upgrade $groundcrew_upgrade {") == [
        'default ""',
        '"~*^websocket$" "websocket"',
    ]


def test_forwarding_headers_are_overwritten() -> None:
    proxy = directives(contents(SETTINGS, {})["/etc/nginx/groundcrew/proxy.conf"])
    assert "proxy_set_header X-Forwarded-For $remote_addr" in proxy
    assert "proxy_set_header X-Forwarded-Proto $groundcrew_scheme" in proxy
    for name in ("Forwarded", "Proxy", "X-Forwarded-Ssl", "X-Forwarded-Prefix"):
        assert f'proxy_set_header {name} ""' in proxy
    assert "$proxy_add_x_forwarded_for" not in " ".join(proxy)
    assert "proxy_http_version 1.1" in proxy
    assert [item for item in proxy if item.startswith("proxy_next_upstream")] == [
        "proxy_next_upstream error"
    ]


def test_proxied_location_loses_no_header_by_inheritance() -> None:
    assert "include groundcrew/passing/shop.conf" in block(locations_file(app()), "location / {")
    location = directives(passing())
    assert "include groundcrew/proxy.conf" in location
    assert not [item for item in location if item.startswith(("add_header", "proxy_hide_header"))]


def test_site_listens_on_its_port_in_both_families() -> None:
    server = block(site(port=8080), "server {")
    assert {"listen 8080", "listen [::]:8080", "server_name shop.test"} <= set(server)
    alone = site_file(NginxSettings(ipv6=False), "shop", app())
    assert "[::]" not in alone


def test_application_without_domains_takes_its_port() -> None:
    apps = {"shop": app(), "any": app(domains=[], port=8080)}
    server = block(site_file(SETTINGS, "any", apps["any"]), "server {")
    assert {"listen 8080 default_server backlog=4096", "server_name _"} <= set(server)
    refusing = default_server(SETTINGS, apps)
    assert "listen 80 default_server" in refusing
    assert "8080" not in refusing


def test_unknown_names_are_refused_on_each_port() -> None:
    apps = {"shop": app(), "blog": app(domains=["blog.test"], port=8080)}
    text = default_server(SETTINGS, apps)
    assert directives(text).count("return 444") == 2
    assert {
        "listen 80 default_server backlog=4096",
        "listen [::]:8080 default_server backlog=4096",
    } <= set(directives(text))


def test_sizes_that_nginx_does_not_know() -> None:
    assert nginx_size("10M") == "10M"
    assert nginx_size("2T") == "2048G"


STRICTLY = NginxSettings(header_set="strict")
POLICY = "Content-Security-Policy"


def headers(settings: NginxSettings, **values: Any) -> dict[str, str]:
    """The headers that nginx adds, by name, as they stand in its file."""
    text = contents(settings, {"shop": app(**values)})["/etc/nginx/groundcrew/headers/shop.conf"]
    lines = re.findall(r"^add_header (\S+) (.*) always;", text, re.MULTILINE)
    return {name: value.strip('"') for name, value in lines}


def test_strict_headers_are_set_on_every_status_and_hidden_from_the_application() -> None:
    text = directives(headers_file(site_headers(STRICTLY), ["X-Powered-By"]))
    added = [item for item in text if item.startswith("add_header")]
    # Besides the request's id, and what caches must be told.
    assert len(added) == len(STRICT) + 2
    assert all(item.endswith(" always") for item in added)
    for name in [*STRICT, "X-Powered-By", "X-Request-ID"]:
        assert f"proxy_hide_header {name}" in text
    names = {name.lower() for name in STRICT}
    assert {"content-security-policy", "permissions-policy", "referrer-policy"} <= names
    assert "strict-transport-security" not in names
    assert "x-xss-protection" not in names


def test_the_baseline_yields_to_the_applications_own() -> None:
    text = directives(headers_file(site_headers(SETTINGS), []))
    for name in BASELINE:
        assert (f"proxy_hide_header {name}" in text) == (name not in YIELDING), name
        assert (f"add_header {name} {YIELDING.get(name)} always" in text) == (name in YIELDING)
    maps = contents(SETTINGS, {})["/etc/nginx/groundcrew/baseline.conf"]
    policy = block(maps, "map $upstream_http_content_security_policy $groundcrew_baseline_policy {")
    assert policy[0] == 'default ""'
    assert "frame-ancestors $groundcrew_frame_ancestors; object-src 'none'" in policy[1]
    assert "script-src" not in policy[1]
    # What somebody says replaces the application's.
    own = NginxSettings(security_headers={"x-frame-options": "DENY"})
    said = directives(headers_file(site_headers(own), []))
    assert 'add_header x-frame-options "DENY" always' in said
    assert "proxy_hide_header x-frame-options" in said


def test_an_application_chooses_its_set() -> None:
    strict = {"nginx": {"header_set": "strict"}}
    assert headers(SETTINGS)[POLICY] == "$groundcrew_baseline_policy"
    assert headers(SETTINGS, **strict)[POLICY] == STRICT[POLICY] == headers(STRICTLY)[POLICY]
    loose = headers(STRICTLY, nginx={"header_set": "baseline"})
    assert loose[POLICY] == "$groundcrew_baseline_policy"
    assert "Cross-Origin-Embedder-Policy" not in loose
    tls = {"tls": {"certificate": {"type": "self-signed"}}}
    assert headers(STRICTLY, **tls)[POLICY].endswith("; upgrade-insecure-requests")


def test_strict_can_report_before_it_is_enforced() -> None:
    site = {"report_only": True, "report_uri": "/csp"}
    sent = headers(STRICTLY, nginx=site)
    assert sent[POLICY] == BASELINE[POLICY]
    assert sent[f"{POLICY}-Report-Only"] == f"{STRICT[POLICY]}; report-uri /csp"
    assert "Cross-Origin-Embedder-Policy" not in sent
    assert sent["Cross-Origin-Embedder-Policy-Report-Only"] == "require-corp"
    enforced = headers(STRICTLY, nginx={"report_uri": "/csp"})
    assert enforced[POLICY] == f"{STRICT[POLICY]}; report-uri /csp"
    assert "report" not in str(headers(SETTINGS, nginx=site)).lower()
    for wrong in ("csp", "/a;b", "/a,b", "/$x", '/"'):
        with pytest.raises(ValidationError):
            NginxSettings(report_uri=wrong)


def test_application_replaces_and_removes_headers_whatever_their_case() -> None:
    own = {"content-security-policy": "default-src 'none'", "X-FRAME-OPTIONS": None}
    for settings in (SETTINGS, STRICTLY):
        sent = headers(settings, nginx={"headers": own})
        assert sent["content-security-policy"] == "default-src 'none'"
        assert POLICY not in sent
        assert "x-frame-options" not in map(str.lower, sent)


def test_values_are_quoted_for_nginx() -> None:
    assert quote('a "b" \\c; {d}') == r'"a \"b\" \\c; {d}"'


@pytest.mark.parametrize("value", ["two\nlines", "a\rb", "price $host", "ümlaut", "tab\there"])
def test_values_that_nginx_cannot_send_are_refused(value: str) -> None:
    with pytest.raises(ValidationError, match=r"printable ASCII|'\$'"):
        NginxSettings(security_headers={"X-Test": value})


@pytest.mark.parametrize("name", ["", "X Test", "X:Test", "X\nTest", "$x", 'X"'])
def test_names_that_are_none_are_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        NginxSettings(security_headers={name: "x"})


def test_too_few_files_for_the_connections() -> None:
    with pytest.raises(ValidationError, match="at least twice"):
        NginxSettings(worker_connections=4096, worker_rlimit_nofile=4096)


def test_one_client_cannot_have_all_connections() -> None:
    assert NginxSettings(worker_connections=1024).client_connections == 256
    with pytest.raises(ValidationError, match="one client could take all"):
        NginxSettings(limits={"connections": 2048})


def test_only_balancers_say_who_asks() -> None:
    assert "real_ip" not in contents(SETTINGS, {})["/etc/nginx/groundcrew/visitors.conf"]
    behind = NginxSettings(trusted_proxies=["192.0.2.7"])
    visitors = contents(behind, {})["/etc/nginx/groundcrew/visitors.conf"]
    assert "set_real_ip_from 192.0.2.7/32;" in visitors
    assert block(visitors, "geo $realip_remote_addr $groundcrew_by_proxy {") == [
        "default 0",
        "192.0.2.7/32 1",
    ]
    for everybody in ("0.0.0.0/0", "::/0"):
        with pytest.raises(ValidationError, match="everybody"):
            NginxSettings(trusted_proxies=[everybody])


def test_status_port_must_be_free() -> None:
    with pytest.raises(ValueError, match="status_port"):
        configuration(NginxSettings(status_port=8080), {"shop": app(port=8080)})


def test_status_is_for_the_host_itself_only() -> None:
    status = directives(contents(SETTINGS, {})["/etc/nginx/groundcrew/status.conf"])
    assert "listen 127.0.0.1:8090" in status
    assert "deny all" in status


def test_gzip_can_be_turned_off() -> None:
    on = directives(contents(SETTINGS, {})["/etc/nginx/groundcrew/gzip.conf"])
    assert {"gzip on", "gzip_vary on", "gzip_proxied any", "gzip_min_length 1000"} <= set(on)
    types = next(item for item in on if item.startswith("gzip_types"))
    assert {"application/json", "text/css", "image/svg+xml", "text/javascript"} <= set(
        types.split()
    )
    off = contents(NginxSettings(gzip=False), {})["/etc/nginx/groundcrew/gzip.conf"]
    assert directives(off) == ["gzip off"]


def test_brotli_comes_with_its_module_or_not_at_all() -> None:
    frontend = {"directory": "web", "api": ["/health"]}
    sites = {"shop": app(frontend=frontend, health={"path": "/health"})}
    plain = contents(SETTINGS, sites)
    assert "brotli" not in str(plain)
    assert packages(SETTINGS) == ("nginx",)
    on = NginxSettings(brotli=True)
    files = contents(on, sites)
    assert "include groundcrew/brotli.conf" in directives(files["/etc/nginx/nginx.conf"])
    types = files["/etc/nginx/groundcrew/brotli.conf"]
    assert "brotli_min_length 1000" in directives(types)
    assert "application/json" in types
    assert files["/etc/nginx/groundcrew/locations/shop.conf"].count("brotli_static on") == 2
    assert "libnginx-mod-http-brotli-filter" in packages(on)


def test_only_files_that_never_change_are_kept_open() -> None:
    frontend = {"directory": "web", "api": ["/health"]}
    site = app(frontend=frontend, static={"path": "s"}, media={}, health={"path": "/health"})
    text = locations_file(site)
    assert text.count("open_file_cache max=") == 1
    assert "open_file_cache max=1000" in block(text, "location ^~ /assets/ {")
    files = contents(NginxSettings(open_file_cache=0), {"shop": site})
    assert "open_file_cache" not in str(files)


def test_log_tells_request_and_upstream_times() -> None:
    text = contents(SETTINGS, {})["/etc/nginx/groundcrew/log-format.conf"]
    for variable in (
        "request_id", "request_time", "upstream_connect_time", "upstream_header_time",
        "upstream_response_time", "upstream_addr", "upstream_status", "request_length", "host",
    ):  # fmt: skip
        assert f"${variable}" in text


def test_only_our_own_sites_are_purged_and_debians_default_goes() -> None:
    entries = configuration(SETTINGS, {"shop": app()})
    assert Purge("/etc/nginx/sites-enabled", "groundcrew-*.conf") in entries
    assert Absent("/etc/nginx/sites-enabled/default") in entries
    frame = contents(SETTINGS, {})["/etc/nginx/nginx.conf"]
    for own in ("modules-enabled/*.conf", "conf.d/*.conf", "sites-enabled/*"):
        assert f"include {own}" in directives(frame)
    assert "server_tokens off" in contents(SETTINGS, {})["/etc/nginx/groundcrew/basics.conf"]


def test_service_is_sandboxed_without_killing_workers() -> None:
    (unit,) = [str(entry.content) for entry in drop_in(SETTINGS) if isinstance(entry, File)]
    lines = unit.splitlines()
    for line in (
        "SystemCallErrorNumber=EPERM", "LimitNOFILE=16384", "Restart=on-failure",
        "NoNewPrivileges=yes", "ProtectSystem=strict",
    ):  # fmt: skip
        assert line in lines


def test_activation_is_valid_shell() -> None:
    subprocess.run(["sh", "-nc", activate_command()], check=True)
    assert "nginx -t" in activate_command()


def test_what_nginx_cannot_do_is_the_client_s_mistake() -> None:
    files = contents(SETTINGS, {"shop": app(tls={"certificate": {"type": "self-signed"}})})
    refused = files["/etc/nginx/groundcrew/refused.conf"]
    assert "error_page 501 505 =400 /groundcrew-refused" in directives(refused)
    site = files["/etc/nginx/sites-enabled/groundcrew-shop.conf"]
    assert directives(site).count("include groundcrew/refused.conf") == 2
    nobody = files["/etc/nginx/groundcrew/default-server.conf"]
    assert nobody.count("error_page 501 505 =444 /;") == nobody.count("return 444;") == 1
    assert nobody.count("error_page 501 505 =421 /;") == nobody.count("return 421;") == 1


@pytest.mark.parametrize("name", ["page.css~", "#page.css#", "page.css.bak", "a/b.ORIG", "x.swp"])
def test_what_editors_leave_is_not_served(name: str) -> None:
    assert re.search(LEFTOVERS, name, re.IGNORECASE)
    values: dict[str, Any] = {"static": {"path": "static"}, "frontend": {"url": "/front/"}}
    served = locations_file(app(**values))
    assert served.count(LEFTOVERS) == 3


@pytest.mark.parametrize(
    "name", ["page.css", "bak", "save.html", "old/page.css", "a.swpx", "c#.js"]
)
def test_other_files_are(name: str) -> None:
    assert not re.search(LEFTOVERS, name, re.IGNORECASE)
