"""Several instances of one application: units, sockets, links, and which release has how many."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError

from groundcrew.facts.apps import AppState, nothing
from groundcrew.manifest.model import AppSettings
from groundcrew.manifest.paths import AppPaths
from groundcrew.manifest.server import GunicornServer, UwsgiServer
from groundcrew.releases import switching
from groundcrew.releases.steps.links import boot_links, point_nginx_at, same_protocol
from groundcrew.releases.steps.live import go_back
from groundcrew.releases.steps.probes import restart_probes, socket_probe
from groundcrew.releases.switching import too_little_memory
from groundcrew.releases.target import Target, followers, settled
from groundcrew.roles.gunicorn import Gunicorn
from groundcrew.roles.nginx.settings import NginxSettings
from groundcrew.roles.uwsgi import Uwsgi
from groundcrew.status.parts import Part, part
from tests.unit.nginx_files import site_file

PATHS = AppPaths("shop")
MANIFEST = {"source": {"directory": "."}, "entry": "shop:app"}
ONE, THREE = "20260101T000000Z-aaaaaaaaaaaa", "20260102T000000Z-bbbbbbbbbbbb"


def app(**changes: Any) -> AppSettings:
    return AppSettings.model_validate({**MANIFEST, **changes})


def target(instances: int) -> Target:
    return Target(PATHS, app(instances=instances), 10)


def unit(active: str = "active", memory: str = "") -> dict[str, str]:
    return {"active": active, "sub": "", "enabled": "enabled", "restarts": "0", "memory": memory}


def host(**units: dict[str, str]) -> AppState:
    """A host where release ONE has one instance and release THREE three, which is live."""
    names = [PATHS.unit(ONE), *(PATHS.unit(THREE, number) for number in (1, 2, 3))]
    state: Any = {
        **nothing(),
        "live": THREE,
        "current": THREE,
        "units": {name: unit() for name in names} | units,
    }
    return state  # type: ignore[no-any-return]


def test_one_instance_is_as_before_there_were_several() -> None:
    text = Gunicorn(GunicornServer()).unit(PATHS, "r1", app())
    assert "INSTANCE" not in text
    assert "instance" not in text
    assert PATHS.unit("r1") == "shop@r1.service"
    assert PATHS.socket("r1") == "/run/groundcrew/apps/shop/r1.sock"
    assert PATHS.upstream() == "/run/groundcrew/nginx/shop/current.sock"


def test_each_instance_has_its_unit_socket_number_and_limits() -> None:
    settings = app(instances=3, limits={"memory_max": "512M", "cpu_quota": "50%"})
    for server in (Gunicorn(GunicornServer()), Uwsgi(UwsgiServer(type="uwsgi"))):
        text = server.unit(PATHS, "r1", settings, 2)
        assert "Environment=INSTANCE=2\n" in text
        assert "/run/groundcrew/apps/shop/r1.2.sock" in text
        assert "MemoryMax=512M\n" in text
        assert "CPUQuota=50%\n" in text
    assert PATHS.unit("r1", 2) == "shop@r1.2.service"


def test_a_release_keeps_the_number_that_it_was_made_with() -> None:
    there = target(2).on(host())
    assert there.units(ONE) == [PATHS.unit(ONE)]
    assert there.units(THREE) == [PATHS.unit(THREE, number) for number in (1, 2, 3)]
    assert len(there.units("new")) == 2


def test_instances_are_no_workers() -> None:
    state = host(**{f"shop.mail@{THREE}.2.service": unit()})
    assert followers(state, PATHS, THREE) == [f"shop.mail@{THREE}.2.service"]
    assert part("shop", PATHS.unit(THREE, 2)) == Part("web", "web 2", THREE)
    assert part("shop", PATHS.unit(THREE)) == Part("web", "web", THREE)
    assert part("shop", f"shop.mail@{THREE}.2.service") == Part("worker", "worker mail 2", THREE)


def test_a_release_is_settled_when_all_its_instances_are() -> None:
    assert settled(target(3), host(), THREE)
    assert not settled(target(3), host(**{PATHS.unit(THREE, 3): unit("failed")}), THREE)


@pytest.mark.parametrize(
    ("links", "release", "leads"),
    [
        (3, THREE, {1: "", 2: ".2", 3: ".3"}),
        (3, ONE, {1: "", 2: "", 3: ""}),
        (2, THREE, {1: "", 2: ".2"}),
        (5, THREE, {1: "", 2: ".2", 3: ".3", 4: "", 5: ".2"}),
        (1, ONE, {1: ""}),
    ],
)
def test_every_link_of_nginx_leads_to_an_instance(
    links: int, release: str, leads: dict[int, str], tmp_path: Path
) -> None:
    """The shell is run, with its paths below a directory of ours."""
    there = target(links).on(host())
    run, passing = tmp_path / "run/groundcrew/nginx/shop", tmp_path / "etc/nginx/groundcrew/passing"
    run.mkdir(parents=True)
    passing.mkdir(parents=True)
    (passing / "shop.conf").symlink_to("shop.http")
    (run / "current.9.sock").symlink_to("old.sock")
    text = point_nginx_at(there, release)
    for top in ("/run/", "/etc/", "/srv/"):
        text = text.replace(top, f"{tmp_path}{top}")
    subprocess.run(["sh", "-ec", text], check=True)
    ends = {path.name: str(path.readlink()).removeprefix(str(tmp_path)) for path in run.iterdir()}
    sockets = "/run/groundcrew/apps/shop"
    assert ends == {
        f"current{'' if number == 1 else f'.{number}'}{kind}": f"{sockets}/{release}{instance}.sock"
        for number, instance in leads.items()
        for kind in (".sock", ".uwsgi.sock")
    }
    boot = boot_links(there, release)
    assert sorted(boot.splitlines()) == sorted(
        f"L+ /run/groundcrew/nginx/shop/{name} - - - - {socket}" for name, socket in ends.items()
    )


def test_every_instance_is_probed_and_restarted_in_turn() -> None:
    there = target(1).on(host())
    probe = socket_probe(there, THREE, None)
    assert probe["sockets"] == [
        f"/run/groundcrew/apps/shop/{THREE}{number}.sock" for number in ("", ".2", ".3")
    ]
    assert probe["units"] == there.units(THREE)
    restarts = restart_probes(there, THREE)
    assert [(name, payload["units"], payload["sockets"]) for name, payload in restarts] == [
        (name, [name], [socket])
        for name, socket in zip(probe["units"], probe["sockets"], strict=True)
    ]


def test_memory_is_needed_for_every_instance() -> None:
    state = host(**{PATHS.unit(THREE, number): unit(memory=str(100 << 20)) for number in (1, 2, 3)})
    state["memory_available"] = 350 << 20
    assert too_little_memory(target(3).on(state), state, "new") is None
    assert "about 400 MiB" in str(too_little_memory(target(4).on(state), state, "new"))


def test_nginx_spreads_requests_and_knows_every_link() -> None:
    text = site_file(NginxSettings(), "shop", app(instances=3))
    for number in ("", ".2", ".3"):
        assert (
            text.count(f"server unix:/run/groundcrew/nginx/shop/current{number}.sock max_fails=0;")
            == 1
        )
        assert (
            text.count(
                f"server unix:/run/groundcrew/nginx/shop/current{number}.uwsgi.sock max_fails=0;"
            )
            == 1
        )
    assert text.count("zone groundcrew-shop") == 2
    single = site_file(NginxSettings(), "shop", app())
    assert single.count("server unix:/run/groundcrew/nginx/shop/current.sock max_fails=0;") == 2
    assert "zone" not in single


def test_systemd_holds_no_several_sockets() -> None:
    with pytest.raises(ValidationError, match="3 instances need"):
        app(instances=3, release={"strategy": "restart"})


def test_systemd_gives_up_where_it_is_told_to() -> None:
    def text(**restart: Any) -> str:
        return Gunicorn(GunicornServer()).unit(PATHS, "r1", app(restart=restart))

    assert "StartLimitIntervalSec=0\n" in text()
    assert "RestartSec=2\n" in text()
    limited = text(seconds=5, burst=3, interval=120)
    for line in ("RestartSec=5", "StartLimitBurst=3", "StartLimitIntervalSec=120"):
        assert f"{line}\n" in limited


@pytest.mark.parametrize(("passing", "kind", "good"), [("http", "", True), ("http", "x", False)])
def test_a_held_socket_keeps_its_protocol(
    tmp_path: Path, passing: str, kind: str, good: bool
) -> None:
    """The shell is run, with its paths below a directory of ours."""
    (tmp_path / "etc/nginx/groundcrew/passing").mkdir(parents=True)
    (tmp_path / "etc/nginx/groundcrew/passing/shop.conf").symlink_to(f"shop.{passing}")
    release = tmp_path / "srv/shop/releases/r1"
    release.mkdir(parents=True)
    if kind:
        (release / "uwsgi.ini").touch()
    text = same_protocol(target(1), "r1")
    text = text.replace("/etc/", f"{tmp_path}/etc/").replace("/srv/", f"{tmp_path}/srv/")
    done = subprocess.run(["sh", "-ec", text], capture_output=True, text=True, check=False)
    assert (done.returncode == 0) is good
    assert ("release it once with `switch`" in done.stderr) is not good


def test_a_release_keeps_the_strategy_that_it_was_made_with() -> None:
    """Whatever the settings say by now: its unit listens where it did."""
    state: Any = host()
    release = {"built": True, "bad": False, "hooked": True, "source": ""}
    state["releases"] = {ONE: {**release, "held": True}, THREE: {**release, "held": False}}
    for strategy in ("switch", "restart"):
        there = Target(PATHS, app(release={"strategy": strategy}), 10).on(state)
        assert there.sockets(ONE) == [PATHS.held]
        assert there.sockets(THREE)[0] == PATHS.socket(THREE, 1)
        assert there.holds("new") is (strategy == "restart")
        assert settled(there, state, THREE)
        # The one whose socket systemd holds never stopped; the other one was, for it.
        assert f"systemctl start {PATHS.unit(THREE)}" in go_back(there, ONE, THREE)
        back = go_back(there, THREE, ONE)
        assert "systemctl start" not in back
        assert PATHS.held in back


@pytest.mark.parametrize(("each", "fits"), [(300, True), (600, False)])
def test_applications_are_released_together_where_memory_is_for_all(
    monkeypatch: pytest.MonkeyPatch, each: int, fits: bool
) -> None:
    def plan(name: str) -> Any:
        there = Target(AppPaths(name), app(), 10)
        return SimpleNamespace(paths=there.paths, target=there, app=there.app)

    def states(names: Any) -> dict[str, Any]:
        return {
            name: {
                **nothing(),
                "live": None if name == "new" else ONE,
                "units": {AppPaths(name).unit(ONE): unit(memory=str(each << 20))},
                "memory_available": 1 << 30,
            }
            for name in names
        }

    known: dict[str, Any] = {}
    monkeypatch.setattr(switching, "app_states", states)
    monkeypatch.setattr(switching, "known", lambda kind: known.setdefault(kind, {}))
    # Three would need more; a first release needs no room beside another one.
    assert switching._fit([plan("shop"), plan("blog"), plan("new")]) is fits
