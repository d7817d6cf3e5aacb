"""Each check of verify on a host that keeps its promises, and on one that breaks each of them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import pytest
from requests.structures import CaseInsensitiveDict

from groundcrew.bindings import Place
from groundcrew.contract import Brings, Brought, Unit
from groundcrew.manifest.model import AppSettings
from groundcrew.results.result import Check, Status
from groundcrew.results.table import table
from groundcrew.roles.base.settings import BaseSettings
from groundcrew.roles.firewall.settings import FirewallSettings
from groundcrew.roles.logrotate.settings import LogrotateSettings
from groundcrew.roles.nginx.settings import NginxSettings
from groundcrew.roles.ssh.checks import policy
from groundcrew.roles.users.settings import UsersSettings
from groundcrew.roles.verify.answer import Answer
from groundcrew.roles.verify.expected import Expected, Gzip, host_header
from groundcrew.roles.verify.operations import checks
from groundcrew.roles.verify.outside import Site
from groundcrew.roles.verify.request import reads
from groundcrew.roles.verify.seen import SitesSeen
from groundcrew.roles.verify.settings import VerifySettings
from groundcrew.services import Service
from groundcrew.sites import Site as RoleSite
from groundcrew.verify.outside import Reached
from groundcrew.verify.runner import run_checks
from groundcrew.verify.seen import View

HEADERS = {"X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer"}
ADDRESS = "192.0.2.7"
LISTENER = 40000
TEXT = b"x" * 2000


def app(**values: Any) -> AppSettings:
    return AppSettings.model_validate(
        {
            "source": {"directory": "src"},
            "entry": "shop:app",
            "domains": ["shop.test"],
            "health": {"path": "/health"},
            "checks": [{"path": "/", "contains": "xx", "headers": {"X-A": "1"}}],
            "server": {"worker_class": "gthread"},
            **values,
        }
    )


def answer(status: int = 200, body: bytes = b"ok", **headers: str) -> Answer:
    named = {name.replace("_", "-"): [value] for name, value in headers.items()}
    common = {name: [value] for name, value in HEADERS.items()}
    return Answer(status, CaseInsensitiveDict({"Server": ["nginx"], **common, **named}), body)


def page(**headers: str) -> Answer:
    compressed = {"Content_Encoding": "gzip", "Vary": "Accept-Encoding"}
    return answer(200, TEXT, **{"Content_Type": "text/html", "X_A": "1", **compressed, **headers})


def report() -> dict[str, Any]:
    running = {
        "ActiveState": "active", "SubState": "running", "NRestarts": "0", "MainPID": "7",
        "Result": "success",
    }  # fmt: skip
    units = {"nginx.service": dict(running), "shop@r1.service": dict(running)}
    return {
        "units_before": units,
        "units_after": copy.deepcopy(units),
        "seconds": 3.0,
        "releases": {"shop": {"release": "r1", "units": ["shop@r1.service"]}},
        "maintenance": {"shop": None},
        "machine": {"container": False, "ipv6": ["2001:db8::7"]},
        "processes": {
            "nginx.service": [
                {"pid": 1, "user": "root", "name": "nginx"},
                {"pid": 2, "user": "www-data", "name": "nginx"},
            ],
            "shop@r1.service": [{"pid": 3, "user": "shop", "name": "gunicorn"}],
        },
        "exposure": {
            "nginx.service": 2.4,
            "shop@r1.service": 0.6,
            "nftables-groundcrew.service": 1.4,
            "shop.mail@r1.1.service": 1.0,
        },
        "followers": {
            "shop": {
                "shop.mail@r1.1.service": {**running, "seconds": 5.0},
                "shop.tick@r1.timer": {"ActiveState": "active", "SubState": "waiting"},
                "shop.tick@r1.service": {"ActiveState": "inactive", "Result": "success"},
                "shop.release-hooks@r1.service": {"ActiveState": "inactive", "Result": "success"},
            }
        },
        "leftovers": [],
        "sockets": {"shop": {"status": 200}},
        "reuse": {"shop": {"new": 0, "kept": 1}},
        "nginx_status": {"accepted": 10, "handled": 10, "requests": 12},
        "listening": [
            {"address": "0.0.0.0", "port": 80, "process": "nginx"},
            {"address": "::", "port": 22, "process": "sshd"},
            {"address": "127.0.0.1", "port": 5432, "process": "postgres"},
        ],
        "listener": {"port": LISTENER},
        "logrotate": {"code": 0, "errors": []},
        "sudo": {"code": 0, "output": "", "may": {"deploy": True, "shop": False}},
        "sshd": {"port": "22", "permitrootlogin": "no"},
        "packet_filter": {"families": ["inet"]},
        "upkeep": {
            "clock": {"NTP": "yes", "NTPSynchronized": "yes"},
            "upgrade_days": "1",
            "upgrade_timer": "enabled",
        },
        "apparmor": {"kernel": True, "enabled": True, "enforced": 3},
        "hosts": {"cache": "10.0.0.9", "redis": "10.0.0.5"},
        "sysctl": {"fs.protected_fifos": "2", "net.ipv4.tcp_rmem": "4096 131072 6291456"},
    }


@dataclass(frozen=True)
class Fixed:
    """What tries to connect, and finds this."""

    reached: Mapping[tuple[str, int], bool]

    def __call__(
        self, addresses: Iterable[str], ports: Iterable[int], timeout: float
    ) -> tuple[Reached, float]:
        pairs = [(address, port) for address in addresses for port in list(ports)]
        return {pair: self.reached[pair] for pair in pairs}, 0.1


BASE = BaseSettings(sysctl=dict.fromkeys(BaseSettings().sysctl))
FIREWALL = FirewallSettings()


@dataclass(frozen=True, kw_only=True)
class Host(SitesSeen):
    """What was seen of a host, and the settings of its roles."""

    base: BaseSettings = BASE
    firewall: FirewallSettings = FIREWALL
    admins: Sequence[str] = ("deploy",)
    login_banner: None = None
    connect_timeout: float = 1
    backed_up: bool = False
    place: Place = field(default_factory=Place)
    role_sites: Mapping[str, RoleSite] = field(default_factory=dict)
    sshd: Mapping[str, str] = field(default_factory=lambda: {"permitrootlogin": "no"})

    @property
    def app(self) -> Mapping[str, AppSettings]:
        return self.expected.apps

    @property
    def apps(self) -> tuple[str, ...]:
        return tuple(self.app)

    @property
    def brought(self) -> Brought:
        roles = {
            "base": self.base,
            "users": UsersSettings(),
            "firewall": self.firewall,
            "nginx": NginxSettings(),
            "logrotate": LogrotateSettings(),
        }
        ssh = Brings(checks={"ssh policy": partial(policy, self.sshd)})
        return Brought({"ssh": ssh, **{name: role.brings(self) for name, role in roles.items()}})


def good(**changes: Any) -> Host:
    expected = Expected(
        apps={"shop": app()},
        security_headers={"shop": HEADERS},
        yielding={"shop": ()},
        owners={"shop": "shop"},
        gzip=Gzip(1000, {"application/json"}),
    )
    refused = Answer(error="RemoteDisconnected: closed", closed=True)
    site = Site({"/health": answer(), "/": page()}, answer(404), answer(400), refused)
    addresses = (ADDRESS, "2001:db8::7")
    reached = {(address, port): port in (22, 80)
               for address in addresses
               for port in (22, 80, LISTENER, 3306, 5432, 6379, 8000)}  # fmt: skip
    seen = Host(
        view=View(ADDRESS, silent_ports=VerifySettings().firewall_ports, reach=Fixed(reached)),
        report=report(),
        declared_ports={80},
        answering_ports={80},
        settings=VerifySettings(),
        expected=expected,
        sites={"shop": site},
    )
    return replace(seen, **changes)


def judged(seen: Host) -> list[Check]:
    return run_checks(checks(seen.brought), replace(seen, units=seen.brought.units))


def failures(seen: Host) -> dict[str, str]:
    return {check.name: check.detail for check in judged(seen) if check.status is Status.FAIL}


def result(seen: Host, name: str) -> Check:
    return next(check for check in judged(seen) if check.name == name)


def test_a_good_host_passes_everything() -> None:
    results = judged(good())
    assert [check.name for check in results if check.status is not Status.OK] == []
    assert len(results) >= 20


@pytest.mark.parametrize(
    ("network", "figure", "fine"),
    [("local", 1.0, True), ("local", 1.1, False), ("any", 1.2, True), ("any", 1.3, False),
     (["10.0.0.0/8"], 1.1, True), (["10.0.0.0/8"], 1.2, False)],
)  # fmt: skip
def test_a_sandbox_is_judged_by_what_the_manifest_opens(
    network: Any, figure: float, fine: bool
) -> None:
    seen = good()
    expected = replace(seen.expected, apps={"shop": app(network=network)})
    told = dict(seen.report)
    told["exposure"] = {**told["exposure"], "shop@r1.service": figure}
    told["exposure"]["shop.mail@r1.1.service"] = figure
    results = [item for item in judged(replace(seen, expected=expected, report=told))
             if item.name.startswith("shop: sandbox")]  # fmt: skip
    assert [item.status is Status.OK for item in results] == [fine, fine]
    for item in results:
        assert ("`network:" in item.detail) == (network != "local")


def _unit(key: str, value: str) -> Callable[[dict[str, Any]], None]:
    def change(report: dict[str, Any]) -> None:
        report["units_after"]["shop@r1.service"][key] = value

    return change


def _set(section: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(report: dict[str, Any]) -> None:
        report[section] = value

    return change


def _merge(section: str, **values: Any) -> Callable[[dict[str, Any]], None]:
    def change(report: dict[str, Any]) -> None:
        report[section] = {**report[section], **values}

    return change


ROOT = [{"pid": 3, "user": "root", "name": "gunicorn"}]
NINE = {"address": "0.0.0.0", "port": 9999, "process": "nc"}


@pytest.mark.parametrize(
    ("change", "name", "detail"),
    [
        (_unit("ActiveState", "failed"), "shop: unit", "is failed"),
        (_unit("SubState", "auto-restart"), "shop: unit", "auto-restart"),
        (_unit("NRestarts", "2"), "shop: unit", "restarted (0 -> 2)"),
        (_unit("MainPID", "8"), "shop: unit", "new main process"),
        (_set("releases", {"shop": {"release": None, "units": []}}), "shop: unit", "no release"),
        (_merge("processes", **{"shop@r1.service": ROOT}), "shop: no root process", "as root"),
        (_merge("processes", **{"shop@r1.service": []}), "shop: no root process", "no process"),
        (_merge("processes", **{"nginx.service": ROOT * 2}), "nginx: no root process", "as root"),
        (_merge("exposure", **{"shop@r1.service": 1.1}), "shop: sandbox", "at most 1.0"),
        (_merge("exposure", **{"nginx.service": 9.6}), "nginx: sandbox", "at most 2.4"),
        (
            _merge("exposure", **{"shop.mail@r1.1.service": 9.6}),
            "shop: sandbox of workers and timers",
            "shop.mail@r1.1.service: exposure 9.6, at most 1.0",
        ),
        (
            _merge("exposure", **{"nftables-groundcrew.service": None}),
            "own units: sandbox",
            "no figure for nftables-groundcrew.service",
        ),
        (_set("exposure", {"error": "no such program"}), "sandbox", "not checked: no such"),
        (_set("sockets", {"shop": {"status": 500}}), "shop: socket", "gave 500 instead of 200"),
        (_set("sockets", {"shop": {"error": "refused"}}), "shop: socket", "refused"),
        (_set("sockets", {"shop": {"error": "refused"}}), "shop: sandbox", "means nothing"),
        (_set("reuse", {"shop": {"new": 5, "kept": 1}}), "shop: connection reuse", "5 connections"),
        (_set("reuse", {"shop": {"new": 0, "kept": 0}}), "shop: connection reuse", "0 kept"),
        (_set("reuse", {"shop": {"error": "timed out"}}), "shop: connection reuse", "timed out"),
        (_merge("nginx_status", handled=9), "nginx: counters", "1 connections dropped"),
        (_set("listening", [NINE]), "listening sockets", "nc listens on 0.0.0.0:9999"),
        (_set("listening", {"error": "no ss"}), "listening sockets", "not checked: no ss"),
        (_set("packet_filter", {"families": ["ip"]}), "firewall: policy", "default: ip"),
        (_set("packet_filter", {"error": "no nft"}), "firewall", "not checked: no nft"),
        (_set("logrotate", {"code": 0, "errors": ["error: x:1"]}), "logrotate dry run", "x:1"),
        (_set("logrotate", {"code": 2, "errors": []}), "logrotate dry run", "exits 2"),
        (_merge("sudo", may={"deploy": False}), "sudo policy", "deploy may not"),
        (_merge("sudo", may={"deploy": True, "shop": True}), "sudo policy", "shop may use"),
        (_merge("sudo", code=1, output="syntax error"), "sudo policy", "syntax error"),
        (_merge("sshd", permitrootlogin="yes"), "ssh policy", 'is "yes" instead of "no"'),
        (_merge("upkeep", clock={"NTP": "no"}), "time sync", "no time service"),
        (_merge("upkeep", upgrade_days="0"), "unattended upgrades", "is off"),
        (_merge("upkeep", upgrade_timer="masked"), "unattended upgrades", "masked"),
        (_merge("apparmor", enabled=False), "AppArmor", "command line"),
        (_merge("apparmor", enforced=0), "AppArmor", "no profile"),
    ],
)  # fmt: skip
def test_a_broken_promise_on_the_host(
    change: Callable[[dict[str, Any]], None], name: str, detail: str
) -> None:
    changed = report()
    change(changed)
    assert detail in failures(good(report=changed))[name]


def with_pages(**pages: Answer) -> Host:
    seen = good()
    named = {"/health" if name == "health" else "/": page for name, page in pages.items()}
    site = replace(seen.sites["shop"], pages={**seen.sites["shop"].pages, **named})
    return replace(seen, sites={"shop": site})


@pytest.mark.parametrize(
    ("answers", "name", "detail"),
    [
        ({"health": answer(503)}, "shop: GET /health", "status 503 instead of 200"),
        ({"health": Answer(error="timed out")}, "shop: GET /health", "timed out"),
        ({"root": answer(200, b"ok", X_A="1")}, "shop: GET /", 'does not contain "xx"'),
        ({"root": page(X_A="2")}, "shop: GET /", 'X-A is "2" instead of "1"'),
        ({"health": answer(X_Frame_Options="ALLOW")}, "shop: headers on page", 'is "ALLOW"'),
        ({"health": answer(X_Powered_By="PHP")}, "shop: headers on page", "X-Powered-By is sent"),
        ({"health": answer(Server="nginx/1.2")}, "shop: headers on page", "version"),
        ({"root": answer(200, TEXT, Content_Type="text/html")}, "shop: gzip", "uncompressed"),
        ({"root": page(Vary="Cookie")}, "shop: gzip", "no Vary"),
    ],
)
def test_a_broken_promise_on_a_page(answers: dict[str, Answer], name: str, detail: str) -> None:
    assert detail in failures(with_pages(**answers))[name]


def test_a_header_that_comes_twice() -> None:
    doubled = answer()
    headers = CaseInsensitiveDict({**doubled.headers, "X-Frame-Options": ["DENY", "DENY"]})
    failed = failures(with_pages(health=replace(doubled, headers=headers)))
    assert "comes 2 times" in failed["shop: headers on page"]


@pytest.mark.parametrize(("kind", "name"), [("missing", "missing page"), ("malformed", "bad req")])
def test_headers_missing_on_errors(kind: str, name: str) -> None:
    seen = good()
    bare = Answer(404, CaseInsensitiveDict(), b"")
    shop = seen.sites["shop"]
    site = replace(shop, missing=bare) if kind == "missing" else replace(shop, malformed=bare)
    failed = failures(replace(seen, sites={"shop": site}))
    assert [detail for title, detail in failed.items() if name in title] == [
        "no X-Frame-Options; no Referrer-Policy"
    ]


def test_unknown_name_that_is_served() -> None:
    seen = good()
    site = replace(seen.sites["shop"], unknown=answer(200))
    assert failures(replace(seen, sites={"shop": site})) == {
        "shop: unknown name": "unknown.invalid: status 200"
    }


def test_unknown_name_that_nobody_could_ask_for_is_no_success() -> None:
    seen = good()
    site = replace(seen.sites["shop"], unknown=Answer(error="ConnectionRefusedError"))
    assert "shop: unknown name" in failures(replace(seen, sites={"shop": site}))


def reach(seen: Host, address: str, port: int, reached: bool) -> Host:
    assert isinstance(seen.view.reach, Fixed)
    fixed = Fixed({**seen.view.reach.reached, (address, port): reached})
    return replace(seen, view=replace(seen.view, reach=fixed))


def test_firewall_that_lets_something_through() -> None:
    for port in (LISTENER, 6379):
        failed = failures(reach(good(), ADDRESS, port, True))
        assert str(port) in failed["firewall: from outside (IPv4)"]
    assert "firewall: from outside (IPv6)" in failures(reach(good(), "2001:db8::7", LISTENER, True))


def test_firewall_that_hides_a_declared_port() -> None:
    failed = failures(reach(good(), ADDRESS, 80, False))
    assert "does not answer on port 80" in failed["firewall: from outside (IPv4)"]


def test_ipv6_that_the_operator_cannot_reach_is_not_applicable() -> None:
    seen = reach(reach(good(), "2001:db8::7", 80, False), "2001:db8::7", 22, False)
    assert result(seen, "firewall: from outside (IPv6)").status is Status.NOT_APPLICABLE


@pytest.mark.parametrize(
    "seen",
    [
        good(view=View("127.0.0.1")),
        good(view=View(ADDRESS, published=True)),
    ],
)
def test_outside_view_of_the_firewall_needs_an_outside(seen: Host) -> None:
    assert result(seen, "firewall: from outside").status is Status.NOT_APPLICABLE
    assert result(seen, "firewall: policy").status is Status.OK


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"domains": []}, "shop: unknown name"),
        ({"server": {"worker_class": "sync"}}, "shop: connection reuse"),
    ],
)
def test_what_does_not_apply_to_an_application(values: dict[str, Any], name: str) -> None:
    seen = good()
    expected = replace(seen.expected, apps={"shop": app(**values)})
    assert result(replace(seen, expected=expected), name).status is Status.NOT_APPLICABLE


def test_short_pages_are_not_compressed() -> None:
    short = answer(200, b"xx", Content_Type="text/html", X_A="1")
    assert result(with_pages(root=short), "shop: gzip").status is Status.NOT_APPLICABLE


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"expected": replace(good().expected, gzip=None)}, "shop: gzip"),
        ({"firewall": FirewallSettings(enabled=False)}, "firewall"),
        ({"base": BaseSettings(time_sync=False)}, "time sync"),
        ({"base": BaseSettings(unattended_upgrades=False)}, "unattended upgrades"),
        ({"base": BaseSettings(apparmor=False)}, "AppArmor"),
    ],
)
def test_what_the_settings_turn_off(changes: dict[str, Any], name: str) -> None:
    assert result(good(**changes), name).status is Status.NOT_APPLICABLE


def parameters(**values: str) -> BaseSettings:
    """With these kernel parameters, and no other."""
    none: dict[str, str | None] = dict.fromkeys(BaseSettings().sysctl)
    return BaseSettings(sysctl={**none, **{k.replace("__", "."): v for k, v in values.items()}})


def test_kernel_parameters_that_something_has_set_otherwise() -> None:
    seen = good(base=parameters(fs__protected_fifos="2", not__in__a__container="1"))
    assert result(seen, "kernel parameters").detail == "1 as they are set"
    changed = good(base=parameters(fs__protected_fifos="1"))
    assert failures(changed)["kernel parameters"] == "fs.protected_fifos is 2, not 1"
    none = good(base=parameters(not__in__a__container="1"))
    assert result(none, "kernel parameters").status is Status.NOT_APPLICABLE


def test_names_that_something_took_out_of_etc_hosts() -> None:
    wanted: dict[str, str | None] = {"redis": "10.0.0.5"}
    assert result(good(base=BaseSettings(hosts=wanted)), "names in /etc/hosts").status is Status.OK
    wanted |= {"db": "10.0.0.6", "cache": "10.0.0.7"}
    failed = failures(good(base=BaseSettings(hosts=wanted)))
    assert failed["names in /etc/hosts"] == (
        "cache is 10.0.0.9, not 10.0.0.7; db is missing, not 10.0.0.6"
    )


def test_units_of_an_application_that_was_taken_off_are_named() -> None:
    check = result(good(report={**report(), "leftovers": ["old"]}), "leftovers")
    assert check.status is Status.WARN
    assert "units of old" in check.detail
    assert "--data app=old" in check.detail


@pytest.mark.parametrize("name", ["time sync", "AppArmor"])
def test_a_container_has_no_clock_and_no_apparmor_of_its_own(name: str) -> None:
    changed = {**report(), "machine": {"container": True, "ipv6": []}}
    assert result(good(report=changed), name).status is Status.NOT_APPLICABLE


def test_a_host_that_could_not_be_looked_at_fails_and_hides_nothing() -> None:
    failed = failures(good(report={}))
    assert {"units", "sandbox", "listening sockets", "ssh policy", "sudo policy"} <= set(failed)
    assert all("not checked" in detail for detail in failed.values())


def test_a_host_without_applications() -> None:
    seen = good()
    expected = replace(seen.expected, apps={}, security_headers={})
    empty = {
        **report(), "releases": {}, "units_before": {}, "units_after": {}, "processes": {},
        "exposure": {"nftables-groundcrew.service": 1.4}, "sockets": {}, "reuse": {},
        "logrotate": {"error": "none"}, "nginx_status": {"error": "none"}, "listening": [],
    }  # fmt: skip
    bare = replace(
        seen, expected=expected, report=empty, sites={}, declared_ports=(), answering_ports=()
    )
    assert failures(bare) == {}


def test_request_names_what_the_host_needs_to_know() -> None:
    seen = good()
    units = [Unit("nftables-groundcrew.service"), Unit("nginx.service", serves=True)]
    request = reads(seen.settings, seen.expected, units).request
    assert request["apps"] == [
        {
            "name": "shop", "current": "/srv/shop/current", "unit": "shop@{}.service",
            "runtime": "/run/groundcrew/apps/shop",
            "sockets": {"shop": "/run/groundcrew/nginx/shop/current.sock"}, "user": "shop",
            "path": "/health", "host": "shop.test", "port": 80, "tls": False, "scheme": "http",
            "maintenance": "/srv/shop/maintenance/on", "reuse": True,
        }
    ]  # fmt: skip
    assert request["own_units"] == ["nftables-groundcrew.service"]
    assert request["serving_units"] == ["nginx.service"]
    slow = replace(seen, connect_timeout=10)
    for host, seconds in ((seen, 4), (slow, 40)):
        [reads_of_filter] = FirewallSettings().brings(host).reads
        assert reads_of_filter.request == {"listener": seconds}
    assert FirewallSettings(enabled=False).brings(seen).reads == ()


def test_units_that_roles_start_run() -> None:
    brought = Brought({"bans": Brings(services=[Service("fail2ban.service")])})
    for state, fine in (("active", True), ("failed", False)):
        told = {**report(), "services": {"fail2ban.service": {"ActiveState": state}}}
        by_name = {item.name: item for item in run_checks(checks(brought), good(report=told))}
        assert (by_name["services"].status is Status.OK) == fine
        assert "fail2ban.service" in by_name["services"].detail


def test_host_header_of_a_wildcard() -> None:
    assert host_header(app(domains=["*.shop.test"])) == "verify.shop.test"
    assert host_header(app(domains=[])) == "localhost"


def test_the_table_fits_a_narrow_terminal_and_tears_no_word() -> None:
    unit = "hello@20261128T094317Z-ff38368701de.service"
    results = [
        Check("hello: headers on missing page", Status.OK, "all 7 on status 404"),
        Check("hello: unit", Status.OK, f"{unit} running, stable for 0.9 s, 0 restarts before"),
    ]
    lines = table("Verify web1", results, 76).splitlines()
    # With what pyinfra puts before each line.
    assert max(map(len, lines)) <= 80
    assert any(unit in line for line in lines)
    assert lines[1].endswith("ok    all 7 on status 404")


def test_table_is_aligned_and_counts() -> None:
    text = table(
        "Verify web1", [Check("a", Status.OK, "fine"), Check("longer", Status.FAIL, "x " * 90)]
    )
    lines = text.splitlines()
    assert lines[0] == "Verify web1"
    assert lines[1].index("ok") == lines[2].index("fail")
    assert lines[-1].strip() == "1 ok, 1 failed, 0 not applicable"
    assert max(len(line) for line in lines) < 130


@pytest.mark.parametrize(
    ("unit", "state", "said"),
    [
        (
            "shop.mail@r1.1.service",
            {"ActiveState": "activating", "SubState": "auto-restart", "Result": "exit-code"},
            "worker mail 1: is activating (auto-restart, exit-code)",
        ),
        (
            "shop.mail@r1.1.service",
            {"NRestarts": "7", "seconds": 4.0},
            "worker mail 1: was restarted 7 times, last 4 s ago",
        ),
        ("shop.mail@r1.1.service", {"NRestarts": "7", "seconds": 4000.0}, None),
        (
            "shop.tick@r1.timer",
            {"ActiveState": "failed", "SubState": "failed"},
            "is failed (failed)",
        ),
        ("shop.tick@r1.service", {"Result": "exit-code"}, "its last run failed (exit-code)"),
        ("shop.release-hooks@r1.service", {"Result": "exit-code"}, None),
    ],
)
def test_workers_and_timers(unit: str, state: dict[str, Any], said: str | None) -> None:
    data = report()
    data["followers"]["shop"][unit] |= state
    check = result(good(report=data), "shop: workers and timers")
    if said is None:
        assert check.status is Status.OK
        assert check.detail == "1 workers running, 1 timers waiting"
    else:
        assert check.status is Status.FAIL
        assert said in check.detail
