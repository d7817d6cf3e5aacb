"""Which units run libraries that an update has replaced, and how they are restarted."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from groundcrew import remote
from groundcrew.contract import Brings, Brought, Renewal
from groundcrew.entries import File, Purge
from groundcrew.manifest.model import AppSettings
from groundcrew.manifest.paths import AppPaths
from groundcrew.releases.steps.renewal import renewal_payload
from groundcrew.releases.target import Target
from groundcrew.remote import renew, renewal_app, renewal_state, replaced_files
from groundcrew.remote.renewal_state import DROPS, STILL, UNKNOWN, RenewalError, tasks
from groundcrew.remote.run_lock import RunIsGoneError
from groundcrew.results.result import Check, Status
from groundcrew.roles.renewal import builders, on_host
from groundcrew.roles.renewal.checks import libraries, status
from groundcrew.roles.renewal.settings import RenewalSettings
from groundcrew.roles.settings import HostSettings
from groundcrew.verify.seen import Seen, View

ID = "20261129T132032Z-da5f4d62cbf0"
WEB = f"shop@{ID}.service"
SSL = "/usr/lib/x86_64-linux-gnu/libssl.so.3"
PLAN = {
    "units": [
        {"unit": "nginx.service", "module": "x", "command": [], "drops": False},
        {"unit": "postgresql@*.service", "module": "", "command": [], "drops": True},
        {"unit": "init.scope", "module": "", "command": ["systemctl"], "drops": False},
    ],
    "servers": False,
}


class Proc:
    """A /proc of processes that a test makes up."""

    def __init__(self, folder: Path, top: str = "") -> None:
        self.folder, self.top = folder, top
        self.add(1, "/init.scope")

    def add(self, number: int, group: str, *lines: str) -> None:
        folder = self.folder / str(number)
        (folder / "map_files").mkdir(parents=True)
        (folder / "cgroup").write_text(f"9:cpu:/x\n1:name=systemd:{self.top}{group}\n0::/\n")
        maps = [f"{index}-{index}1 {line}" for index, line in enumerate(lines)]
        (folder / "maps").write_text("".join(f"{line}\n" for line in maps))
        for index in range(len(lines)):
            (folder / "map_files" / f"{index}-{index}1").write_text("")


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Proc:
    monkeypatch.setattr(replaced_files, "ROOT", os.getuid())
    return Proc(tmp_path)


def code(path: str, rights: str = "r-xp") -> str:
    return f"{rights} 00000000 08:01 1234        {path}"


def test_units_that_run_replaced_code(proc: Proc) -> None:
    proc.add(10, f"/system.slice/system-shop.slice/{WEB}", code(f"{SSL} (deleted)"))
    proc.add(11, "/system.slice/nginx.service", code(SSL), code("/usr/sbin/nginx (deleted)"))
    proc.add(12, "/system.slice/nginx.service", code(f"{SSL} (deleted)"))
    proc.add(13, "/user.slice/user-0.slice/session-1.scope", code(f"{SSL} (deleted)"))
    assert replaced_files.pending(proc.folder) == {
        "nginx.service": ["libssl.so.3", "nginx"],
        WEB: ["libssl.so.3"],
    }


@pytest.mark.parametrize(
    "line",
    [
        code(SSL),
        code(f"{SSL} (deleted)", "r--p"),
        code("/memfd:jit (deleted)"),
        code("/dev/zero (deleted)"),
        code("/dev/shm/usr/lib/x (deleted)"),
        code("/tmp/ffi (deleted)"),
        code("/srv/shop/shared/plugin.so (deleted)"),
        "r-xp 00000000 00:00 0",
    ],
)
def test_what_is_no_replaced_code(proc: Proc, line: str) -> None:
    proc.add(10, "/system.slice/shop.service", line)
    assert replaced_files.pending(proc.folder) == {}


@pytest.mark.parametrize("end", ["\r", "\x0b", "\x85", "\u2028"])
def test_a_name_of_a_mapped_file_is_no_line(tmp_path: Path, end: str) -> None:
    """An application maps a file of its own, whose name goes on like another mapping."""
    path = Path(f"{tmp_path}/x{end}/etc/passwd r-xp 0 0 0 /usr/lib/\x1b[2Jforged (deleted)")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x" * 4096)
    code = (
        "import mmap, sys\nfile = open(sys.argv[1], 'rb')\n"
        "mapped = mmap.mmap(file.fileno(), 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC,"
        " flags=mmap.MAP_PRIVATE)\nprint(1, flush=True)\nsys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"1\n"
        assert "forged" in (Path("/proc") / str(process.pid) / "maps").read_text(encoding="utf-8")
        names = replaced_files.replaced(Path("/proc") / str(process.pid))
        process.kill()
    assert not [name for name in names if "forged" in name]


def test_a_file_of_an_application_is_never_one(proc: Proc, monkeypatch: pytest.MonkeyPatch) -> None:
    proc.add(10, f"/system.slice/{WEB}", code(f"{SSL} (deleted)"))
    monkeypatch.setattr(replaced_files, "ROOT", os.getuid() + 1)
    assert replaced_files.pending(proc.folder) == {}


def test_units_of_a_container_and_of_containers_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replaced_files, "ROOT", os.getuid())
    proc = Proc(tmp_path, "/docker/943d")
    proc.add(10, "/system.slice/ssh.service", code(f"{SSL} (deleted)"))
    proc.add(11, "/system.slice/docker-77.scope/system.slice/x", code(f"{SSL} (deleted)"))
    proc.add(12, "/init.scope", code(f"{SSL} (deleted)"))
    assert list(replaced_files.pending(tmp_path)) == ["init.scope", "ssh.service"]
    assert replaced_files.unit_of("/system.slice/ssh.service", "/docker/943d") is None


def test_what_ends_by_itself_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    job = f"shop.nightly@{ID}.service"
    monkeypatch.setattr(renewal_state, "pending", lambda: {job: ["a"], WEB: ["b"]})
    shown = [{"Id": WEB, "Type": "notify"}, {"Id": job, "Type": "oneshot"}]
    monkeypatch.setattr(renewal_state, "show_units", lambda *_: shown)
    assert renewal_state.waiting() == {WEB: ["b"]}


def test_what_is_done_with_each_unit() -> None:
    units = ["postgresql@15-main.service", "init.scope", WEB, "dbus.service", "nginx.service"]
    planned = tasks({unit: [] for unit in units}, PLAN, ["shop"], {"units": {}}, "1")
    assert [(item.unit, item.why_not) for item in planned] == [
        ("dbus.service", UNKNOWN),
        ("nginx.service", ""),
        (WEB, ""),
        ("postgresql@15-main.service", DROPS),
        ("init.scope", ""),
    ]
    assert [item.app for item in planned if item.app] == ["shop"]
    allowed = tasks({units[0]: []}, {**PLAN, "servers": True}, [], {"units": {}}, "1")
    assert [item.why_not for item in allowed] == [""]


def test_once_for_each_set_of_packages() -> None:
    def why_not(packages: str, why: str | None) -> str:
        state = {"units": {WEB: {"packages": packages, "why": why}}}
        return tasks({WEB: []}, PLAN, ["shop"], state, "2")[0].why_not

    assert why_not("2", None) == STILL
    assert why_not("1", None) == ""
    # What has failed is tried again.
    assert why_not("2", "not healthy") == ""


def test_units_of_applications_are_known_by_their_full_name() -> None:
    for name in (
        "shop.service",
        f"other@{ID}.service",
        f"shop@{ID}.service.service",
        "shop@x.service",
    ):
        assert tasks({name: []}, PLAN, ["shop"], {"units": {}}, "1")[0].app == ""
    for name in (f"shop@{ID}.2.service", f"shop.mails@{ID}.1.service"):
        assert tasks({name: []}, PLAN, ["shop"], {"units": {}}, "1")[0].app == "shop"


class Host:
    """What a renewal of an application does on a host that a test makes up."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done: list[str] = []
        self.sick: set[str] = set()
        self.release = ID
        self.links = folder / "nginx"
        (self.links / "shop").mkdir(parents=True)
        self.units = folder / "units"
        self.units.mkdir()
        (folder / WEB).write_text("[Service]\nExecStart=/x\n\n[Install]\nWantedBy=x.target\n")
        self.point(f"/run/groundcrew/apps/shop/{ID}.sock")
        monkeypatch.setattr(renewal_app, "UPSTREAMS", self.links)
        monkeypatch.setattr(renewal_app, "UNITS", self.units)
        monkeypatch.setattr(renewal_app, "SYSTEM", folder)
        monkeypatch.setattr(renewal_app, "live_release", lambda _: (self.release, False))
        monkeypatch.setattr(renewal_app, "systemctl", self.systemctl)
        monkeypatch.setattr(renewal_app, "output_of", lambda *_: _Output())
        monkeypatch.setattr(renewal_app, "probe", self.probe)
        monkeypatch.setattr(renewal_app, "journal", lambda *_: "")
        monkeypatch.setattr(renewal_app, "drain", self.drain)
        monkeypatch.setattr(renewal_app, "trouble", lambda units: self.word(units[0]))

    def point(self, target: str) -> None:
        link = self.links / "shop" / "current.sock"
        link.unlink(missing_ok=True)
        link.symlink_to(target)

    def systemctl(self, *words: str, check: bool = True) -> None:
        del check
        self.done.append(" ".join(words))

    def word(self, unit: str) -> str | None:
        return f"{unit} has died" if unit in self.sick else None

    def probe(self, asked: dict[str, Any]) -> str | None:
        return self.word(asked["units"][0])

    def drain(self, asked: dict[str, Any]) -> float:
        self.done.append(f"drain {asked['sockets'][0]}")
        assert (self.links / "shop" / "previous.sock").readlink() == Path(asked["sockets"][0])
        return 0

    @property
    def live(self) -> str:
        return str((self.links / "shop" / "current.sock").readlink())


class _Output:
    stdout = "1024"


APP = {
    "name": "shop",
    "user": "shop",
    "group": "shop-web",
    "runtime": "/run/groundcrew/apps/shop",
    "drain": 5,
    "probe": {},
}
OLD = f"/run/groundcrew/apps/shop/{ID}.sock"
BESIDE = f"/run/groundcrew/standin/shop/{ID}.sock"
STANDIN = "groundcrew-standin-shop.service"


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(tmp_path, monkeypatch)


def test_a_stand_in_serves_while_a_unit_is_restarted(host: Host) -> None:
    renewal_app.one(APP, WEB, None)
    steps = [step for step in host.done if step.startswith(("start", "drain", "restart", "stop"))]
    assert steps == [
        f"start {STANDIN}",
        f"drain {OLD}",
        f"restart {WEB}",
        f"drain {BESIDE}",
        f"stop {STANDIN}",
        "stop run-groundcrew-standin-shop.mount",
    ]
    assert host.live == OLD
    assert list(host.units.iterdir()) == []
    assert sorted(path.name for path in (host.links / "shop").iterdir()) == ["current.sock"]


def test_a_stand_in_that_is_not_healthy_changes_nothing(host: Host) -> None:
    host.sick = {STANDIN}
    with pytest.raises(RenewalError, match=r"not healthy.*the old one goes on serving"):
        renewal_app.one(APP, WEB, None)
    assert not [step for step in host.done if step.startswith(("restart", "drain"))]
    assert host.live == OLD
    assert list(host.units.iterdir()) == []


def test_a_stand_in_goes_on_serving_for_a_unit_that_does_not_come_back(host: Host) -> None:
    host.sick = {WEB}
    with pytest.raises(RenewalError, match="its stand-in serves"):
        renewal_app.one(APP, WEB, None)
    assert host.live == BESIDE
    text = (host.units / STANDIN).read_text()
    assert f"BindPaths=/run/groundcrew/standin/shop:{APP['runtime']}" in text
    assert "WantedBy" not in text
    assert renewal_app.unfinished(APP) == WEB
    host.sick.clear()
    host.done.clear()
    renewal_app.one(APP, WEB, None)
    assert not [step for step in host.done if step.startswith("start")]
    assert host.live == OLD
    assert renewal_app.unfinished(APP) is None


def test_a_unit_that_is_healthy_again_takes_its_place_back(host: Host) -> None:
    host.sick = {WEB}
    with pytest.raises(RenewalError):
        renewal_app.one(APP, WEB, None)
    host.done.clear()
    with pytest.raises(RenewalError, match=r"^is not healthy.*its stand-in serves"):
        renewal_app.one(APP, WEB, None, restart=False)
    assert (host.live, host.done) == (BESIDE, [])
    host.sick.clear()
    renewal_app.one(APP, WEB, None, restart=False)
    assert host.live == OLD
    assert renewal_app.unfinished(APP) is None
    assert not [step for step in host.done if step.startswith("restart")]
    # There is nothing left to do.
    host.done.clear()
    renewal_app.one(APP, WEB, None, restart=False)
    assert host.done == []


def test_a_stand_in_that_serves_is_never_taken_for_another_unit(host: Host) -> None:
    host.sick = {WEB}
    with pytest.raises(RenewalError):
        renewal_app.one(APP, WEB, None)
    host.done.clear()
    with pytest.raises(RenewalError, match=f"left alone until {WEB}"):
        renewal_app.one(APP, f"shop@{ID}.2.service", None)
    assert host.done == []
    assert renewal_app.stood_in(APP) == WEB
    # A release has taken its place.
    host.point("/run/groundcrew/apps/shop/20261130T132032Z-da5f4d62cbf0.sock")
    host.release = "20261130T132032Z-da5f4d62cbf0"
    assert renewal_app.stood_in(APP) is None
    renewal_app.one(APP, WEB, None)
    assert renewal_app.unfinished(APP) is None
    assert f"stop {STANDIN}" in host.done


def test_units_of_other_releases_are_left_alone(host: Host) -> None:
    renewal_app.one(APP, "shop@20261128T132032Z-da5f4d62cbf0.service", None)
    assert host.done == []


def test_a_worker_is_restarted(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renewal_app, "SETTLE", 0)
    worker = f"shop.mails@{ID}.1.service"
    renewal_app.one(APP, worker, None)
    assert host.done == [f"restart {worker}"]
    host.sick = {worker}
    with pytest.raises(RenewalError, match="has died"):
        renewal_app.one(APP, worker, None)


def test_a_second_process_needs_memory(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Output, "stdout", str(1 << 59))
    with pytest.raises(RenewalError, match="MiB are available"):
        renewal_app.one(APP, WEB, None)
    assert host.done == []


def locked_by(monkeypatch: pytest.MonkeyPatch, state: str) -> None:
    monkeypatch.setattr(renewal_app, "take", lambda *_: {"state": state})
    monkeypatch.setattr(renewal_app, "free", lambda _: None)
    monkeypatch.setattr(renewal_app, "step", lambda _: contextlib.nullcontext())


def test_nothing_is_done_while_a_run_releases_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    locked_by(monkeypatch, "held")
    assert list(renewal_app.renew(APP, [WEB], float("inf"))) == []
    assert "a run is at work on it" in capsys.readouterr().out


def test_each_unit_is_told_and_none_begun_after_the_window(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def one(app: object, unit: str, run: object) -> None:
        del app, run
        if unit == "b":
            raise RenewalError("broken")
        if unit == "d":
            raise RunIsGoneError

    locked_by(monkeypatch, "locked")
    monkeypatch.setattr(renewal_app, "one", one)
    units = ["a", "b", "c", "d", "e"]
    told = [("a", None), ("b", "broken"), ("c", None)]
    assert list(renewal_app.renew(APP, units, float("inf"))) == told
    assert list(renewal_app.renew(APP, units, 0)) == []


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The program on a host with nginx, and what it finds and stores."""
    told: dict[str, Any] = {"pending": {"nginx.service": ["x"]}, "state": {"units": {}}}
    plan = {**PLAN, "window": 60, "units": [{**item, "module": ""} for item in PLAN["units"]]}  # type: ignore[attr-defined]
    monkeypatch.setattr(renew, "read_plan", lambda: plan)
    monkeypatch.setattr(renew, "read_state", lambda: told["state"])
    monkeypatch.setattr(renew, "write_state", lambda state: told.update(state=state))
    monkeypatch.setattr(renew, "write_metric", lambda units: told.update(metric=units))
    monkeypatch.setattr(renew, "packages", lambda: "1")
    monkeypatch.setattr(renew, "app_names", list)
    monkeypatch.setattr(renew, "waiting", lambda: told["pending"])
    monkeypatch.setattr(renew, "trouble", lambda _: told.get("trouble"))
    monkeypatch.setattr(renew, "SETTLE", 0)
    monkeypatch.setattr(renew, "DPKG_LOCK", str(tmp_path / "lock"))
    return told


class Ran:
    """A command that ends well."""

    returncode = 0


def test_the_program_remembers_what_it_did(
    program: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[list[str]] = []

    def run(command: list[str], **_: object) -> Ran:
        ran.append(command)
        return Ran()

    monkeypatch.setattr(subprocess, "run", run)
    assert renew.main() == 0
    assert renew.main() == 0
    assert ran == [["systemctl", "restart", "nginx.service"]]
    assert program["state"]["units"] == {"nginx.service": {"packages": "1", "why": None}}
    # It still runs them, as far as the test's host says.
    assert program["metric"] == 1


def test_the_program_says_what_failed(
    program: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: Ran())
    program["trouble"] = "unit nginx.service is failed"
    assert renew.main() == 1
    assert capsys.readouterr().err == "nginx.service: unit nginx.service is failed\n"
    # It was released anew meanwhile.
    program["pending"] = {}
    assert renew.main() == 0
    assert program["state"]["units"] == {}


def test_what_verify_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replaced = {WEB: ["a"], "nginx.service": ["b"], "dbus.service": ["c"]}
    monkeypatch.setattr(on_host, "waiting", lambda: replaced)
    monkeypatch.setattr(on_host, "PLAN", str(tmp_path / "plan.json"))
    assert on_host.renewal({})["planned"] is False
    (tmp_path / "plan.json").write_text("{}")
    state = {"units": {WEB: {"packages": "1", "why": "broken"}}}
    monkeypatch.setattr(on_host, "read_state", lambda: state)
    monkeypatch.setattr(on_host, "read_plan", lambda: PLAN)
    monkeypatch.setattr(on_host, "app_names", lambda: ["shop"])
    monkeypatch.setattr(on_host, "read_app", lambda _: APP)
    monkeypatch.setattr(on_host, "stood_in", lambda _: None)
    monkeypatch.setattr(on_host, "packages", lambda: "1")
    section = on_host.renewal({})
    assert section == {
        "planned": True,
        "waiting": {"nginx.service": ["b"]},
        "left": {"dbus.service": {"files": ["c"], "why": UNKNOWN}},
        "failed": {WEB: "broken"},
    }
    assert len(list(status(section))) == 3
    # It was released anew.
    del replaced[WEB]
    assert on_host.renewal({})["failed"] == {}
    monkeypatch.setattr(on_host, "stood_in", lambda _: WEB)
    assert on_host.renewal({})["failed"] == {WEB: "broken"}
    state["units"].clear()
    assert on_host.renewal({})["failed"] == {WEB: "its stand-in serves"}


def checked(section: dict[str, Any], **settings: Any) -> list[Check]:
    section = {"planned": True, "waiting": {}, "left": {}, "failed": {}, **section}
    return list(
        libraries(RenewalSettings(**settings), Seen(View("192.0.2.1"), {"renewal": section}))
    )


def test_what_verify_says() -> None:
    assert [item.status for item in checked({})] == [Status.OK]
    assert [item.status for item in checked({"planned": False})] == [Status.FAIL]
    (waits,) = checked({"waiting": {"nginx.service": ["a", "b", "c", "d"]}}, at="03:00")
    assert waits.status is Status.WARN
    assert "nginx.service (a, b, c and 1 more): playbooks/renew.py, at 03:00" in waits.detail
    (off,) = checked({"waiting": {"nginx.service": ["a"]}}, enabled=False)
    assert "renewal.enabled is off" in off.detail
    (left,) = checked({"left": {"x.service": {"files": ["a"], "why": DROPS}}})
    assert left.status is Status.WARN
    (failed,) = checked({"failed": {WEB: "broken"}})
    assert failed.status is Status.FAIL
    assert "broken" in failed.detail


def test_files_on_the_host() -> None:
    settings = RenewalSettings(at="03:30", window=40, servers=True)
    units = [Renewal("nginx.service", "groundcrew.roles.nginx.on_host_renewal")]
    files = {
        item.path: item for item in builders.entries(settings, units) if isinstance(item, File)
    }
    timer = files[builders.TIMER_FILE].data.decode()
    assert "OnCalendar=*-*-* 03:30:00" in timer
    assert "RandomizedDelaySec=20min" in timer
    assert builders.plan(settings, units) == {
        "units": [
            {
                "unit": "nginx.service",
                "module": "groundcrew.roles.nginx.on_host_renewal",
                "command": (),
                "drops": False,
            }
        ],
        "servers": True,
        "window": 2400,
    }
    assert files[builders.PROGRAM].mode == "0700"
    assert "groundcrew.roles.nginx.on_host_renewal" in files[builders.PROGRAM].data.decode()
    assert builders.only({"shop": {}}) == Purge(renewal_state.APPS, "*.json", ("shop.json",))


def test_what_the_host_knows_of_an_application() -> None:
    app = AppSettings.model_validate({"source": {"directory": "."}, "domains": ["shop.test"]})
    told = renewal_payload(Target(AppPaths("shop"), app, 32))
    assert told["runtime"] == APP["runtime"]
    assert told["drain"] == 32
    assert told["probe"]["host"] == "shop.test"
    assert told["probe"]["on_failure"] is None


def test_roles_say_how_their_units_are_renewed() -> None:
    brought = Brought({"a": Brings(renewals=[Renewal("a.service")]), "b": Brings()})
    assert brought.renewals == [Renewal("a.service")]
    settings = HostSettings.model_validate({})
    assert {"ssh.service", "init.scope", "fail2ban.service"} <= {
        item.unit for item in settings.brought.renewals
    }


def test_the_program_is_complete() -> None:
    compile(remote.source("renew", "groundcrew.roles.nginx.on_host_renewal"), "renew.py", "exec")
