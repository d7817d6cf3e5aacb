"""Twenty applications on one host, released in one run, and one among them that is broken."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import ROOT, LabHost, Run, Traffic, converged, pyinfra, traffic

COMMAND = Path(__file__).with_name("sources") / "command"
NAMES = [f"many-{number:02}" for number in range(1, 21)]
BROKEN = NAMES[3]
"""Not the last one: those after it in the alphabet come after it in the run."""
SOME = NAMES[2:7]
"""Of two groups that are released together, with the broken one in the middle."""


DIES = """
    def parse_request(self) -> bool:
        import os, threading

        parsed = super().parse_request()
        if parsed and "X-Request-ID" in self.headers:
            threading.Timer(2, os._exit, [3]).start()
        return parsed
"""


@pytest.fixture(scope="module")
def many() -> Iterator[LabHost]:
    """A host on which all are released in its first run."""
    files = {name: ROOT / "apps" / f"{name}.yml" for name in NAMES}
    for name, file in files.items():
        file.write_text(json.dumps(manifest(name)))
    try:
        with converged("e2e-many", "bookworm", settings("one")) as host:
            yield host
    finally:
        for file in files.values():
            file.unlink()


def manifest(name: str) -> dict[str, Any]:
    """A manifest in JSON, which is YAML too."""
    return {
        "source": {"directory": str(COMMAND)},
        "requirements": False,
        "server": {"type": "command", "command": "python serve.py unix:{socket}"},
        "domains": [f"{name}.test"],
        "health": {"path": "/", "timeout": 10},
    }


def settings(greeting: str, some: str | None = None, **of_one: Any) -> dict[str, Any]:
    """All applications with this variable, or `some` with another one; `of_one` are settings of the
    one that may be broken."""
    data: dict[str, Any] = {"apps": NAMES}
    for name in NAMES:
        data[f"app.{name}.env.INSTANCE"] = some if some and name in SOME else greeting
        data[f"app.{name}.release.check_window"] = 1
    for key, value in of_one.items():
        data[f"app.{BROKEN}.{key.replace('__', '.')}"] = value
    return data


def greetings(host: LabHost) -> Mapping[str, str]:
    return {name: host.get("/", f"{name}.test").json()["instance"] for name in NAMES}


def releases(host: LabHost, data: Mapping[str, Any]) -> tuple[Run, Traffic]:
    domains = [f"{name}.test" for name in NAMES]
    with traffic(host, "/", *domains, pause=0.1) as counts:
        run = pyinfra(host.name, playbook="playbooks/release.py", data=data)
    return run, counts


def test_all_are_released_in_the_first_run(many: LabHost) -> None:
    assert set(greetings(many).values()) == {"one"}
    assert pyinfra(many.name, data=settings("one")).changed == []


def test_all_change_in_one_run(many: LabHost) -> None:
    run, counts = releases(many, settings("two"))
    assert run.status == 0, run.stderr
    assert counts.failures == []
    assert counts.requests > 200
    assert set(greetings(many).values()) == {"two"}


@pytest.mark.parametrize(
    ("of_one", "step", "why"),
    [
        ({"hooks__build": ["echo no such thing >&2; false"]}, "build releases", "no such thing"),
        (
            {"server__command": "python nowhere.py {socket}"},
            f"{BROKEN}: start, probe and switch",
            "nowhere.py",
        ),
    ],
    ids=["does not build", "does not start"],
)
def test_one_that_is_broken_stops_no_other(
    many: LabHost, of_one: Mapping[str, Any], step: str, why: str
) -> None:
    greeting = step.split(maxsplit=1)[0]
    before = greetings(many)
    run, counts = releases(many, settings("two", greeting, **of_one))
    assert run.status == 1
    assert counts.failures == []
    changed = dict.fromkeys(SOME, greeting)
    assert greetings(many) == {**before, **changed, BROKEN: before[BROKEN]}
    end = run.stderr[run.stderr.rindex("groundcrew: the run failed") :]
    assert f"not released: {BROKEN} ({step})" in end
    assert why in end
    # The others are only named as what serves as before.
    failed = "\n".join(line for line in end.split("\n") if "still live: " not in line)
    assert [name for name in NAMES if name in failed] == [BROKEN]
    # Nothing of the run is left: the next one needs to take over no lock, and fixes the rest.
    mended = settings("two", greeting)
    run = pyinfra(many.name, playbook="playbooks/release.py", data=mended)
    assert run.status == 0, run.stderr
    assert "took over the lock" not in run.stderr
    assert greetings(many) == {**before, **changed}


def test_one_that_does_not_stay_healthy_goes_back_alone(many: LabHost, tmp_path: Path) -> None:
    """It answers well at first, and dies in the check window that all have together: after it has
    been asked through nginx."""
    source = tmp_path / "dies"
    shutil.copytree(COMMAND, source)
    code = source / "serve.py"
    text = code.read_text()
    handler = "class Handler(WSGIRequestHandler):\n"
    assert handler in text
    code.write_text(text.replace(handler, f"{handler}{DIES}", 1))
    before = greetings(many)
    window = {"release__check_window": 5}
    data = settings("two", "four", source__directory=str(source), **window)
    run = pyinfra(many.name, playbook="playbooks/release.py", data=data)
    assert run.status == 1
    changed = dict.fromkeys(SOME, "four")
    assert greetings(many) == {**before, **changed, BROKEN: before[BROKEN]}
    assert f"not released: {BROKEN} (check window of {', '.join(NAMES[:5])})" in run.stderr
    assert "has died" in run.stderr or "restarted" in run.stderr
