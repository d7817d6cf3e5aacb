"""What roles bring, added up."""

from __future__ import annotations

from pathlib import Path

import pytest

from groundcrew import remote
from groundcrew.contract import (
    TAKEN_SECTIONS,
    Brings,
    Brought,
    Port,
    Reads,
    RoleSettings,
    StatusLines,
    Unit,
    modules,
    requests,
)
from groundcrew.memory import Share
from groundcrew.remote.reads import read_all
from groundcrew.roles import combined
from groundcrew.roles.settings import HostSettings
from groundcrew.roles.verify.request import SECTIONS
from groundcrew.verify.facts import of_every_host
from tests.unit.project import Project

ROOT = Path(__file__).resolve().parents[2]


def test_roles_are_added_up_and_keep_their_names() -> None:
    memory = Share("cache", "service", 1 << 20, 1)
    cache = Brings(
        packages=("redis-server", "curl"),
        ports=[Port(6379, ("redis.service",), opened=("10.0.0.0/8",), answers=True)],
        units=[Unit("redis.service", 1.5, memory)],
        needs=["mirror:80"],
    )
    brought = Brought({"cache": cache, "web": Brings(packages=("curl",), ports=[Port(80)])})
    assert brought.packages == ["curl", "redis-server"]
    assert brought.public_ports == {80, 6379}
    assert brought.answering_ports == {6379}
    assert brought.bound_ports == {6379: ("redis.service",)}
    assert [port.rule for port in brought.ports] == ["cache", "web"]
    assert brought.memory == [memory]
    assert brought.needs == ["mirror:80"]
    assert list(brought.conflicts()) == []


def test_two_roles_do_not_bind_one_port() -> None:
    def on_port(unit: str) -> Brings:
        return Brings(ports=[Port(80, (unit,)), Port(80, (unit,))])

    both = Brought({"nginx": on_port("nginx.service"), "other": on_port("other.service")})
    assert list(both.conflicts()) == [
        (("other",), "port 80 is nginx's too: give one of them another")
    ]
    # A rule that opens a port binds nothing.
    opened = Brought({"firewall": Brings(ports=[Port(80)]), **both.roles})
    assert list(opened.conflicts()) == list(both.conflicts())


def test_the_packet_filter_opens_what_roles_bring(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.app(more="health: {path: /health}\nport: 8080\n")
    rules = combined.firewall(project.settings()).allow
    assert rules["app-shop"] is not None
    assert rules["app-shop"].ports == (8080,)
    # What a group has opened, to whomever, stays as it is.
    project.groups["web"]["firewall"] = {
        "allow": {"own": {"ports": [8080], "from": ["10.0.0.0/8"]}}
    }
    assert set(combined.firewall(project.settings()).allow) == {"own"}
    project.groups["web"]["firewall"] = {"allow": {"app-shop": None}}
    assert combined.firewall(project.settings()).allow == {"app-shop": None}


def test_two_roles_do_not_call_two_things_the_same() -> None:
    one = Brings(reads=[Reads("one.on_host", ("state",))], checks={"state": lambda _: ()})
    two = Brings(reads=[Reads("two.on_host", (), last=("state",))])
    assert list(Brought({"one": one, "two": two}).conflicts()) == [
        (("two",), "one brings something called state too: rename one")
    ]
    taken = Brings(reads=[Reads("two.on_host", ("sshd",))])
    assert "verify brings something called sshd" in next(Brought({"two": taken}).conflicts())[1]


@pytest.mark.parametrize("section", ["apps", "host", "time"])
def test_no_role_hides_a_section_of_status(section: str) -> None:
    reads = Reads("one.on_host", (section,))
    hiding = Brings(status=[StatusLines(section, reads, lambda _: ())])
    assert list(Brought({"one": hiding}).conflicts()) == [
        (("one",), f"status brings something called {section} too: rename one")
    ]
    # In verify, the name is free.
    assert not list(Brought({"one": Brings(reads=[reads])}).conflicts())


def test_two_roles_have_no_section_of_status_in_common() -> None:
    reads = Reads("one.on_host", ("queue",))
    both = Brings(reads=[reads], status=[StatusLines("queue", reads, lambda _: ())])
    status = Brings(status=both.status)
    expected = [(("two",), "one brings something called queue too: rename one")]
    assert list(Brought({"one": both, "two": both}).conflicts()) == expected
    assert list(Brought({"one": status, "two": status}).conflicts()) == expected
    assert not list(Brought({"one": both}).conflicts())


def test_names_that_verify_takes_are_those_that_it_reads() -> None:
    own = {*SECTIONS, "units_after", "seconds", *of_every_host([]).sections}
    assert own == TAKEN_SECTIONS


def test_no_two_roles_of_groundcrew_are_in_each_other_s_way(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.app(more="health: {path: /health}\n")
    assert list(project.settings().brought.conflicts()) == []


@pytest.mark.parametrize("path", sorted(ROOT.glob("roles/*/on_host*.py")), ids=str)
def test_a_program_of_a_role_is_sent_whole(path: Path) -> None:
    """It runs in a Python that has nothing but what is sent, and its standard library."""
    own = f"groundcrew.roles.{path.parent.name}."
    module = f"{own}{path.stem}"
    text = remote.source("read_host", module)
    assert module in text
    for line in path.read_text().splitlines():
        if line.startswith(("from groundcrew", "import groundcrew")):
            assert line.startswith(("from groundcrew.remote.", f"from {own}on_host")), line
            # Whatever it imports is sent too, in lines as the search for them expects them.
            assert repr(line.split()[1]) in text, line


def test_a_section_that_fails_hides_no_other() -> None:
    wanted = requests(
        [
            Reads("json", ("dumps", "nothing"), {"a": 1}, last=("loads",)),
            Reads("nowhere.to.be.found", ("it",)),
        ]
    )
    report: dict[str, object] = {}
    read_all(wanted, report)
    assert report["dumps"] == '{"a": 1}'
    assert set(report) == {"dumps", "nothing", "it", "loads"}
    assert report["it"] == {"error": "ModuleNotFoundError: No module named 'nowhere'"}
    # The last ones of all come after the others.
    assert list(report)[-1] == "loads"
    assert modules([Reads("a", ()), Reads("b", ()), Reads("a", ())]) == ("a", "b")


def test_every_role_that_brings_something_is_asked() -> None:
    brings = {
        name
        for name, field in HostSettings.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, RoleSettings)
    }
    folders = {path.parent.name for path in ROOT.glob("roles/*/brings.py")}
    assert folders - {"app"} <= brings
