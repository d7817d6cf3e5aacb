"""Balancers: who is behind them, what is refused, the configuration, and what verify says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from groundcrew.results.result import Status
from groundcrew.roles import arguments, combined
from groundcrew.roles.haproxy import builders, on_host, rolling, state_file
from groundcrew.roles.haproxy.checks import balancer, status
from groundcrew.roles.haproxy.report import Balancer, Server
from groundcrew.roles.settings import HostSettings
from groundcrew.settings import SettingsError
from groundcrew.verify.seen import Seen, View
from tests.unit.project import Project

TLS = "tls: {certificate: {type: self-signed}}\n"
HEADER = "# " + " ".join(["be_id", "be_name", "srv_id", "srv_name", "srv_addr", *"x" * 20])
RUNNING = f"""\
1
{HEADER}
4 app-shop 1 web1 10.0.0.2 2 0 1 1 61 15 3 3 6 0 0 0 - 80 - 0 0 - - 0
4 app-shop 2 gone 10.0.0.9 2 0 1 1 61 15 3 3 6 0 0 0 - 80 - 0 0 - - 0
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A balancer and two hosts behind it."""
    made = Project(tmp_path)
    made.hosts = {
        "lb1": (["lb"], {"ssh_hostname": "10.0.0.1"}),
        "web1": (["web"], {"ssh_hostname": "10.0.0.2", "apps": ["shop"]}),
        "web2": (["web"], {"ssh_hostname": "192.0.2.3", "address": "10.0.0.3", "apps": ["shop"]}),
    }
    made.app(more=TLS)
    return made


def load(project: Project) -> dict[str, HostSettings]:
    return {name: item.settings for name, item in project.load().items()}


def refusals(project: Project) -> str:
    with pytest.raises(SettingsError) as error:
        project.load()
    return str(error.value)


def test_the_balancer_ends_https_and_hosts_trust_it_alone(project: Project) -> None:
    loaded = load(project)
    [item] = loaded["lb1"].place.balanced
    assert [(server.name, server.address, server.port) for server in item.servers] == [
        ("web1", "10.0.0.2", 80),
        ("web2", "10.0.0.3", 80),
    ]
    assert item.settings.tls
    web = loaded["web1"]
    assert web.app["shop"].tls is None
    assert web.app["shop"].scheme == "https"
    assert "Strict-Transport-Security" in web.app["shop"].headers
    assert web.nginx.trusted_proxies == ("10.0.0.1",)
    assert combined.tls_sites(web) == {}
    assert list(combined.tls_sites(loaded["lb1"])) == ["shop"]
    assert project.load()["lb1"].certificates["shop"]


def test_ports_of_hosts_are_open_to_balancers_alone(project: Project) -> None:
    project.hosts["web2"][1]["firewall"] = {
        "allow": {
            "http": {"ports": [80, 8080]},
            "office": {"ports": [80], "from": ["192.0.2.0/24"]},
        }
    }
    loaded = load(project)
    opened = combined.firewall(loaded["web1"]).allow
    assert [(rule.ports, rule.sources) for rule in opened.values() if rule] == [
        ((80,), ("10.0.0.1/32",))
    ]
    rules = combined.firewall(loaded["web2"]).allow
    assert {name: (rule.ports, rule.sources) for name, rule in rules.items() if rule} == {
        "http": ((80,), ("10.0.0.1/32",)),
        "http-others": ((8080,), ()),
        "office": ((80,), ("192.0.2.0/24",)),
    }
    ports = {port.number: port for port in loaded["lb1"].brought.ports if port.opened == ()}
    assert {80, 443} <= ports.keys()


def test_nothing_changes_without_a_balancer(project: Project) -> None:
    del project.hosts["lb1"]
    web = load(project)["web1"]
    assert web.app["shop"].tls
    assert not web.place.behind
    assert web.nginx.trusted_proxies == ()


def test_only_chosen_applications_are_balanced(project: Project) -> None:
    project.app("other", text="source: {directory: src}\nentry: a:b\ndomains: [other.test]\n")
    project.hosts["web1"][1]["apps"] = ["shop", "other"]
    project.hosts["lb1"][1]["haproxy"] = {"apps": ["shop"]}
    loaded = load(project)
    assert [item.app for item in loaded["lb1"].place.balanced] == ["shop"]
    assert list(loaded["web1"].place.behind) == ["shop"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"web1": ("apps", []), "web2": ("apps", [])}, "no host runs an application that lb1"),
        ({"lb1": ("haproxy", {"apps": ["shpo"]})}, 'did you mean "shop"'),
        ({"lb1": ("haproxy", {"tls_port": 80})}, "80 is `port` too"),
        ({"web1": ("nginx", {"trusted_proxies": ["10.0.0.1"], "proxy_protocol": True})},
         "send X-Forwarded-For instead"),
        ({"web1": ("app", {"shop": {"health": {"path": "/up"}}})}, "health differs between web1"),
        ({"web1": ("app", {"shop": {"nginx": {"locations": {"/": {"allow": []}}}}})},
         "the balancers must be able to ask for it"),
    ],
)  # fmt: skip
def test_what_is_refused(
    project: Project, change: Mapping[str, tuple[str, Any]], told: str
) -> None:
    for host, (key, value) in change.items():
        project.hosts[host][1][key] = value
    assert told in " ".join(refusals(project).split())


@pytest.mark.parametrize("name", ["lb1", "web1"])
def test_an_address_that_nobody_knows(project: Project, name: str) -> None:
    project.hosts[name][1]["ssh_hostname"] = "nowhere.invalid"
    told = refusals(project)
    assert f'{name} would be reached at "nowhere.invalid", which this machine cannot' in told
    assert f"set `address` of {name} in the inventory" in told


def test_a_balancer_runs_no_applications(project: Project) -> None:
    project.hosts["lb1"] = (["lb", "web"], {"ssh_hostname": "10.0.0.1", "apps": ["shop"]})
    assert "take lb1 out of one of the groups web and lb" in " ".join(refusals(project).split())


def test_a_domain_of_two_applications(project: Project) -> None:
    project.app("other", more=TLS)
    project.hosts["web2"][1]["apps"] = ["other"]
    assert 'belongs to application "other"' in " ".join(refusals(project).split())


def test_the_scheme_is_told_by_the_balancer(project: Project) -> None:
    project.app(more="nginx: {forwarded_proto: https}\n")
    assert "leave it out" in refusals(project)


def test_several_balancers_hand_on_the_challenges_of_a_ca(project: Project) -> None:
    project.app(more="tls: {certificate: {type: acme}}\n")
    for name in project.hosts:
        project.hosts[name][1]["tls"] = {"acme": {"agree_tos": True}}
    assert "backend acme-others" not in configuration(project)
    project.hosts["lb2"] = (["lb"], {**project.hosts["lb1"][1], "ssh_hostname": "10.0.0.4"})
    text = configuration(project)
    assert "    server lb2 10.0.0.4:80\n" in text
    first, then = [line for line in text.splitlines() if "use_backend acme" in line]
    # What was handed on goes to certbot alone.
    assert "use_backend acme-others if challenge !{ hdr(X-Groundcrew-Handed) -m found } {" in first
    assert "use_backend acme if challenge {" in then


def configuration(project: Project) -> str:
    settings = load(project)["lb1"]
    return builders.configuration(settings.haproxy, settings.place, "intermediate")


def test_the_configuration(project: Project) -> None:
    text = configuration(project)
    assert "server web1 10.0.0.2:80 check" in text
    assert "server web2 10.0.0.3:80 check" in text
    assert "http-request set-header X-Forwarded-For %[src]" in text
    assert "option idle-close-on-response" in text
    assert "strict-sni" in text
    # Its name is that of its content.
    name = next(line.split()[1] for line in text.splitlines() if "description" in line)
    assert name == builders.digest_of(text.replace(f"description {name}", "description "))


def test_paths_lead_to_applications(project: Project) -> None:
    project.app("blog", more=f"prefix: /blog\n{TLS}")
    project.hosts["web2"][1]["apps"] = ["blog"]
    lines = configuration(project).splitlines()
    rules = [line.strip() for line in lines if "use_backend" in line]
    chosen = ["unchecked-blog", "app-blog", "unchecked-blog", "app-blog"]
    assert [rule.split()[1] for rule in rules] == [*chosen, "unchecked-shop", "app-shop"]
    assert "{ path_beg /blog/ }" in rules[3]


def test_hosts_that_all_fail_their_checks_get_requests(project: Project) -> None:
    first, second = [line for line in configuration(project).splitlines() if "use_backend" in line]
    assert first.split()[:2] == ["use_backend", "unchecked-shop"]
    assert first.endswith(" { nbsrv(app-shop) eq 0 }")
    assert second.split()[:2] == ["use_backend", "app-shop"]
    last = configuration(project).partition("backend unchecked-shop\n")[2].splitlines()
    assert [line.split() for line in last if line.split()[:1] == ["server"]] == [
        ["server", "web1", "10.0.0.2:80"],
        ["server", "web2", "10.0.0.3:80"],
    ]


def test_without_domains_every_request_is_for_the_application(project: Project) -> None:
    project.app(text="source: {directory: src}\nentry: a:b\n")
    lines = [line.strip() for line in configuration(project).splitlines()]
    assert "use_backend unchecked-shop if { nbsrv(app-shop) eq 0 }" in lines
    assert "default_backend app-shop" in lines


def test_new_hosts_are_down_until_they_answer() -> None:
    wanted = "backend app-shop\n server web1 10.0.0.2:80 check\n server web2 10.0.0.3:80 check\n"
    first, second = state_file.merged(wanted, RUNNING).splitlines()[2:]
    assert first == RUNNING.splitlines()[2]
    fields = second.split(" ")
    assert len(fields) == len(first.split(" "))
    assert fields[1:6] == ["app-shop", "0", "web2", "10.0.0.3", "0"]


def test_a_host_with_another_address_is_new() -> None:
    wanted = "backend app-shop\n server web1 10.0.0.7:80 check\n"
    [line] = state_file.merged(wanted, RUNNING).splitlines()[2:]
    assert line.split(" ")[4:6] == ["10.0.0.7", "0"]


def test_hosts_that_are_taken_out_stay_out_without_checks_too() -> None:
    """Over a reload. One that nobody has taken out needs no line: it is up at once."""
    unchecked = RUNNING.splitlines()[2].replace(" app-shop ", " unchecked-shop ")
    wanted = (
        "backend unchecked-shop\n server web1 10.0.0.2:80\n server web2 10.0.0.3:80\n"
        "backend certbot\n server certbot 127.0.0.1:8402\n"
    )
    assert state_file.merged(wanted, f"{RUNNING}\n{unchecked}").splitlines()[2:] == [unchecked]


def server(name: str, state: str = "UP", weight: int = 1, more: int = 2) -> Server:
    return {
        "backend": "app-shop", "server": name, "status": state, "check": "L7OK", "weight": weight,
        "current": 0, "requests": 9, "since": 5, "out": False, "more": more,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("servers", "told"),
    [
        ([server("web1"), server("web2")], None),
        ([server("web1")], "web2 is missing"),
        ([server("web1"), server("web2", "DRAIN")], "web2 gets no requests: DRAIN"),
        ([server("web1"), server("web2", weight=0)], "web2 gets no requests: its weight"),
        ([server("web1"), server("web2", more=0)], "web2 is up and gets no requests"),
        ([server("web1"), server("web2"), server("web3")], "web3 is no host"),
    ],
)
def test_verify_names_hosts_without_requests(
    project: Project, servers: list[Server], told: str | None
) -> None:
    balanced = load(project)["lb1"].place.balanced
    report: Balancer = {
        "version": "3",
        "loaded": True,
        "uptime": 9,
        "connections": 1,
        "servers": servers,
        "errors": {},
    }
    seen = Seen(View("10.0.0.1"), {"haproxy": report})
    _, result = balancer(balanced, seen)
    assert result.status is (Status.FAIL if told else Status.OK)
    assert (told or "web1, web2") in result.detail
    lines = list(status(balanced, report))
    assert ("missing" in "\n".join(lines)) is (len(servers) == 1)


def test_a_database_on_each_host_is_told(project: Project) -> None:
    project.app(more=TLS + "env: {DATABASE_URL: 'sqlite:///data/shop.db', OTHER: sqlite}\n")
    servers = [server("web1"), server("web2")]

    def told() -> list[str]:
        report = {"version": "3", "loaded": True, "connections": 1, "servers": servers}
        seen = Seen(View("10.0.0.1"), {"haproxy": report})
        results = balancer(load(project)["lb1"].place.balanced, seen)
        return [item.detail for item in results if item.status is Status.WARN]

    [text] = told()
    assert text.startswith("web1, web2 each have a SQLite database of their own (DATABASE_URL)")
    project.hosts["web2"][1]["idle"] = True
    assert told() == []


def test_another_configuration_than_on_disk_is_told(project: Project) -> None:
    balanced = load(project)["lb1"].place.balanced
    servers = [server("web1"), server("web2")]
    report = {"version": "3", "loaded": False, "connections": 1, "servers": servers}
    first, _ = balancer(balanced, Seen(View("10.0.0.1"), {"haproxy": report}))
    assert first.status is Status.FAIL


class Talk:
    """A HAProxy with two hosts."""

    def __init__(self, second: str = "UP") -> None:
        self.states = {"web1": "UP", "web2": second}
        self.out = {"web2"} if second in ("DRAIN", "MAINT") else set[str]()
        self.told: list[str] = []

    def __call__(self, path: str, command: str) -> str:
        del path
        if command == "show stat":
            keys = (
                "# pxname,svname,scur,stot,status,weight,lastchg,check_status,last_chk,check_desc"
            )
            rows = [
                f"app-shop,{name},0,1,{state},1,5,L7OK,," for name, state in self.states.items()
            ]
            rows += [
                f"unchecked-shop,{name},0,1,{'DRAIN' if name in self.out else 'no check'},1,5,,,"
                for name in self.states
            ]
            return "\n".join([keys, *rows, "app-shop,BACKEND,0,1,UP,1,5,,,", ""])
        self.told.append(command)
        word, _, rest = command.partition(" server app-shop/")
        if word == "set" and rest.split()[1] == "state":
            name, _, state = rest.split()
            self.out = self.out - {name} if state == "ready" else self.out | {name}
            if self.states[name] != "DOWN":
                self.states[name] = "UP" if state == "ready" else state.upper()
        return ""


def request(*hosts: str) -> dict[str, Any]:
    return {"socket": "", "hosts": list(hosts), "drain": 1, "seconds": 1,
            "servers": {"app-shop": ["web1", "web2"]}}  # fmt: skip


def test_a_host_is_drained_and_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    talk = Talk()
    monkeypatch.setattr(on_host, "talk", talk)
    assert on_host.drain(request("web1")) == []
    assert talk.states == {"web1": "DRAIN", "web2": "UP"}
    assert on_host.down(request("web2")) == ["web1 (shop): DRAIN, L7OK"]
    assert on_host.ready(request("web1")) == []
    assert talk.states == {"web1": "UP", "web2": "UP"}


def test_the_last_healthy_host_is_not_drained(monkeypatch: pytest.MonkeyPatch) -> None:
    talk = Talk("DOWN")
    monkeypatch.setattr(on_host, "talk", talk)
    with pytest.raises(on_host.BalancerError, match="shop would have no healthy host left"):
        on_host.drain(request("web1"))
    assert talk.told == []


def test_what_is_taken_out_is_put_back(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    talk = Talk("MAINT")
    monkeypatch.setattr(on_host, "talk", talk)
    asked = {**request(), "socket": str(tmp_path)}
    [line] = on_host.differences(asked)
    assert "web2 gets requests of shop again" in line
    on_host.converge(asked)
    assert on_host.differences(asked) == []


def test_hosts_that_leave_are_drained_first(monkeypatch: pytest.MonkeyPatch) -> None:
    talk = Talk()
    monkeypatch.setattr(on_host, "talk", talk)
    on_host.release({**request(), "servers": {"app-shop": ["web1"]}})
    assert talk.told == [
        "set server app-shop/web2 state drain",
        "set server unchecked-shop/web2 state drain",
    ]


def test_a_host_does_not_leave_before_another_one_has_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    talk = Talk()
    monkeypatch.setattr(on_host, "talk", talk)
    with pytest.raises(on_host.BalancerError, match="put web1 into the inventory again"):
        on_host.release({**request(), "servers": {"app-shop": ["web3"]}})
    assert talk.told == []
    # One that is lost may be replaced.
    talk.states = {"web1": "DOWN", "web2": "DOWN"}
    on_host.release({**request(), "servers": {"app-shop": ["web3"]}})


def test_an_idle_host_stands_in_until_others_answer(project: Project) -> None:
    project.hosts["web1"][1]["idle"] = True
    loaded = load(project)
    place = loaded["lb1"].place
    text = builders.configuration(loaded["lb1"].haproxy, place, "intermediate")
    assert "server web1 10.0.0.2:80 check backup\n" in text
    assert "server web2 10.0.0.3:80 check\n" in text
    assert builders.request(loaded["lb1"].haproxy, place)["idle"] == {"app-shop": ["web1"]}
    report = {"version": "3", "loaded": True, "connections": 1, "errors": {}}
    seen = Seen(
        View("10.0.0.1"),
        {"haproxy": {**report, "servers": [server("web1", "DOWN"), server("web2")]}},
    )
    _, result = balancer(place.balanced, seen)
    assert (result.status, result.detail) == (Status.OK, "web2: all up, all get requests")


def test_a_host_that_comes_up_while_verify_asks_is_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It was not up yet when all others got their requests."""
    counts = iter([(0, 0), (4, 0), (6, 2), (9, 9)])

    def servers(_: str) -> list[dict[str, Any]]:
        one, two = next(counts)
        return [
            {"backend": "app-shop", "server": name, "status": "UP", "requests": number}
            for name, number in (("web1", one), ("web2", two))
        ]

    asked: list[object] = []

    def ask(data: object) -> dict[str, str]:
        asked.append(data)
        return {}

    monkeypatch.setattr(on_host, "servers", servers)
    monkeypatch.setattr(on_host, "info", lambda _: {})
    monkeypatch.setattr(on_host, "wanted", lambda _: "")
    monkeypatch.setattr(on_host, "settle", lambda _: None)
    monkeypatch.setattr(on_host, "ask", ask)
    report = on_host.haproxy({**request(), "socket": "", "ask": True})
    assert [item["more"] for item in report["servers"]] == [6, 2]
    assert len(asked) == 2


def test_a_request_that_failed_is_told_whatever_comes_after_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def servers(_: str) -> list[dict[str, Any]]:
        return [{"backend": "app-shop", "server": "web1", "status": "UP", "requests": 0}]

    answers = iter([{"app-shop": "TimeoutError"}, {}])
    monkeypatch.setattr(on_host, "servers", servers)
    monkeypatch.setattr(on_host, "info", lambda _: {})
    monkeypatch.setattr(on_host, "wanted", lambda _: "")
    monkeypatch.setattr(on_host, "settle", lambda _: None)
    monkeypatch.setattr(on_host, "ask", lambda _: next(answers))
    report = on_host.haproxy({**request(), "socket": "", "ask": True})
    assert report["errors"] == {"app-shop": "TimeoutError"}


def idle(*hosts: str) -> dict[str, Any]:
    """A request while the application is idle on web1."""
    return {**request(*hosts), "idle": {"app-shop": ["web1"]}, "patience": 0}


def test_a_host_that_becomes_idle_is_drained_before_the_reload(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The old process answers one more request of each client that it knows."""
    talk = Talk()
    monkeypatch.setattr(on_host, "talk", talk)
    both = {"app-shop": ["web1", "web2"]}
    on_host.release({**idle(), "servers": both})
    drained = [f"set server {name}-shop/web1 state drain" for name in ("app", "unchecked")]
    assert talk.told == drained
    # Then it waits, until the application has stopped, and the balancer knows.
    assert on_host.handed_over(idle()) is None
    talk.told.clear()
    talk.states["web1"] = "DOWN"
    on_host.stopped(idle())
    assert [line for line in talk.told if " state " in line] == [
        line.replace("drain", "ready") for line in drained
    ]


def test_an_idle_host_goes_on_where_no_other_is_healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    talk = Talk()
    monkeypatch.setattr(on_host, "talk", talk)
    both = {"app-shop": ["web1", "web2"]}
    talk.states["web2"] = "DOWN"
    on_host.release({**idle(), "servers": both})
    assert talk.told == []
    # Drained already, when the other one fails: it gets requests again.
    talk.states["web1"], talk.out = "DRAIN", {"web1"}
    assert on_host.handed_over(idle()) == "shop goes on on web1: no other host is healthy"
    assert "set server app-shop/web1 state ready" in talk.told


def test_a_host_that_is_out_and_not_healthy_is_put_back(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    talk = Talk()
    monkeypatch.setattr(on_host, "talk", talk)
    talk.states["web2"], talk.out = "DOWN", {"web2"}
    asked = {**request(), "socket": str(tmp_path)}
    [line] = on_host.differences(asked)
    assert "web2 gets requests of shop again" in line


def test_an_idle_host_counts_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    talk = Talk()
    monkeypatch.setattr(on_host, "talk", talk)
    asked = {**request("web2"), "idle": {"app-shop": ["web1"]}, "patience": 0}
    assert on_host.handed_over(asked) is None
    with pytest.raises(on_host.BalancerError, match="no healthy host left"):
        on_host.drain(asked)
    talk.states = {"web1": "UP", "web2": "DOWN"}
    assert on_host.handed_over(asked) == "shop goes on on web1: no other host is healthy"
    # Where it has ended, it is not missed.
    talk.states = {"web1": "DOWN", "web2": "UP"}
    assert on_host.down(asked) == []
    assert on_host.ready({**asked, "hosts": ["web1"]}) == []


def test_a_balancer_serves_when_it_knows_a_healthy_host(monkeypatch: pytest.MonkeyPatch) -> None:
    talk = Talk("DOWN")
    monkeypatch.setattr(on_host, "talk", talk)
    assert on_host.serving(request()) == []
    talk.states["web1"] = "DOWN"
    assert on_host.serving({**request(), "seconds": 0}) == ["shop has no healthy host"]

    def nobody(path: str, command: str) -> str:
        raise ConnectionRefusedError("refused")

    monkeypatch.setattr(on_host, "talk", nobody)
    assert on_host.serving({**request(), "seconds": 0}) == ["HAProxy does not answer: refused"]


class Run:
    """A run on all hosts, some of which are down."""

    def __init__(self, project: Project, *down: str) -> None:
        self.inventory = project.inventory()
        self.failed_hosts = {self.inventory.get_host(name) for name in down}

    def is_host_in_limit(self, host: Any) -> bool:
        return host not in self.failed_hosts


def rolling_plan(project: Project, monkeypatch: pytest.MonkeyPatch, *down: str) -> rolling.Plan:
    """What reboot.py does."""
    loaded = project.load()
    monkeypatch.setattr(arguments, "settings_for", lambda host: loaded[host.name])
    run: Any = Run(project, *down)
    return arguments.rolling("reboot", run.inventory, run)


def test_hosts_take_turns_by_who_sends_them_requests(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One for workers gets none, nor does one where the application is idle."""
    project.hosts["worker1"] = (["worker"], {"ssh_hostname": "10.0.0.4", "apps": ["shop"]})
    project.hosts["web3"] = (["web"], {"ssh_hostname": "10.0.0.5", "apps": ["shop"], "idle": True})
    project.hosts["lb2"] = (["lb"], {"ssh_hostname": "10.0.0.6"})
    plan = rolling_plan(project, monkeypatch)
    assert plan.behind == ["web1", "web2"]
    assert plan.others == ["worker1", "web3", "lb1", "lb2"]
    assert list(plan.balancers) == ["lb1", "lb2"]
    # A balancer that is down is not asked.
    plan = rolling_plan(project, monkeypatch, "lb1", "web2")
    assert (plan.behind, plan.others) == (["web1"], ["worker1", "web3", "lb2"])
    assert list(plan.balancers) == ["lb2"]


def test_requests_do_not_cross_a_public_network_unless_that_is_said(project: Project) -> None:
    project.hosts["web2"][1]["address"] = "8.8.8.8"
    assert "lb1 would send requests to web2 at 8.8.8.8, unencrypted" in refusals(project)
    project.hosts["lb1"][1]["haproxy"] = {"public": True}
    assert load(project)["lb1"].place.balanced


SHOW = "Id={}\nLoadState={}\nActiveState={}\nUnitFileState={}\n"


def test_what_ran_before_must_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = rolling.Plan("reboot", [], ["db1"], {}, 1, 0, 0)
    work = rolling._Work(None, plan, {})  # type: ignore[arg-type]
    host: Any = SimpleNamespace(name="db1")
    said: list[str] = []
    monkeypatch.setattr(work, "shell", lambda *_: said.pop(0))
    said.append("\n".join([
        SHOW.format("mariadb.service", "loaded", "active", "enabled"),
        SHOW.format("user@1000.service", "loaded", "active", "static"),
    ]))  # fmt: skip
    assert work.services(host) == ["mariadb.service"]
    gone = SHOW.format("old.service", "not-found", "inactive", "")
    said.append("\n".join([SHOW.format("mariadb.service", "loaded", "active", "enabled"), gone]))
    work.run_again(host, ["mariadb.service", "old.service"])
    said.append(SHOW.format("mariadb.service", "loaded", "failed", "enabled"))
    with pytest.raises(rolling.RollingError, match=r"db1: mariadb\.service failed"):
        work.run_again(host, ["mariadb.service"])
    said.append(SHOW.format("mariadb.service", "loaded", "activating", "enabled"))
    with pytest.raises(rolling.RollingError, match=r"mariadb\.service does not run after 0 s"):
        work.run_again(host, ["mariadb.service"])
    work.run_again(host, [])


def test_the_first_host_goes_alone_and_balancers_last() -> None:
    plan = rolling.Plan("reboot", ["a", "b", "c", "d"], ["db1", "lb1"], {}, 2, 0, 60)
    assert plan.batches == [("a",), ("b", "c"), ("d",), ("db1",), ("lb1",)]
