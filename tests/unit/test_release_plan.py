"""What makes a release another one, and which release on a host is the plan's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from groundcrew.entries import File
from groundcrew.facts.apps import AppState
from groundcrew.manifest.model import AppSettings
from groundcrew.manifest.server import GunicornServer
from groundcrew.releases import bundle, plan
from groundcrew.releases.plan import ReleasePlan, Toolchain
from groundcrew.releases.steps.build import build_payload
from groundcrew.roles import app as app_role
from groundcrew.roles.gunicorn import Gunicorn
from groundcrew.settings import SettingsError

TOOLCHAIN = Toolchain("/opt/uv", "/usr/bin/python3", {})


class Planner:
    def __init__(self, project: Path) -> None:
        self.project = project
        (project / "src").mkdir()
        (project / "src/shop.py").write_text("app = None\n")
        (project / "src/requirements.txt").write_text("flask==3.1.0\n")
        (project / "src/setup.py").write_text("")

    def settings(self, **changes: Any) -> AppSettings:
        manifest = {
            "source": {"directory": "src"},
            "entry": "shop:app",
            "requirements": "requirements.txt",
            "env": {"COLOUR": "red"},
        }
        return AppSettings.model_validate({**manifest, **changes})

    def plan(
        self,
        secrets: Mapping[str, str] | None = None,
        toolchain: Toolchain = TOOLCHAIN,
        drain: int = 10,
        build_secrets: Mapping[str, str] | None = None,
        manifest: Mapping[str, Any] | None = None,
        **changes: Any,
    ) -> ReleasePlan:
        bundle._pack.cache_clear()
        settings = self.settings(**{**changes, **(manifest or {})})
        gunicorn = settings.server
        assert isinstance(gunicorn, GunicornServer)
        return app_role.plan(
            "shop",
            settings,
            secrets={name: SecretStr(value) for name, value in (secrets or {"KEY": "a"}).items()},
            build_secrets={name: SecretStr(value) for name, value in (build_secrets or {}).items()},
            server=Gunicorn(gunicorn),
            toolchain=toolchain,
            drain=drain,
            project=self.project,
        )


@pytest.fixture
def planner(tmp_path: Path) -> Planner:
    return Planner(tmp_path)


def state(
    live: str | None = None, releases: Mapping[str, tuple[bool, bool]] | None = None
) -> AppState:
    """Releases by name, each (built, bad)."""
    return {
        "live": live,
        "current": live,
        "releases": {
            name: {"built": built, "bad": bad, "hooked": False, "source": "", "held": None}
            for name, (built, bad) in (releases or {}).items()
        },
        "units": {},
        "held": False,
        "socket_unit": False,
        "fallback": False,
        "damaged": False,
        "served": [],
        "taken_back": {},
        "memory_available": 0,
        "lock": "",
    }


def test_the_value_of_a_builds_secret_names_nothing(planner: Planner) -> None:
    without = planner.plan()
    plan = planner.plan(build_secrets={"TOKEN": "one-value"})
    other = planner.plan(build_secrets={"TOKEN": "another"})
    assert (plan.digest, plan.environment_key, plan.code_key) == (
        other.digest,
        other.environment_key,
        other.code_key,
    )
    assert plan.environment_key == without.environment_key
    assert "one-value" not in repr(plan)
    files = [item.data for item in plan.entries("1-a") if isinstance(item, File)]
    assert not [data for data in files if b"one-value" in data]
    assert build_payload(plan, "1-a", None)["secrets"] == {"TOKEN": "one-value"}


def test_equal_plans_have_equal_digests_at_any_time(
    planner: Planner, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = planner.plan().digest
    monkeypatch.setattr(plan, "STARTED", "20300101T000000Z")
    assert planner.plan().digest == first


@pytest.mark.parametrize(
    "changes",
    [
        {"env": {"COLOUR": "blue"}},
        {"env": {"COLOUR": "red", "MORE": "1"}},
        {"secrets": {"KEY": "b"}},
        {"server": {"workers": 3}},
        {"server": {"worker_class": "uvicorn"}},
        {"entry": "shop:other"},
        {"limits": {"memory_max": "1G"}},
        {"sandbox": {"PrivateTmp": "no"}},
        {"hooks": {"release": ["true"]}},
        {"shared": ["media"]},
        {"requirements": False},
        {"install": True},
        {"exclude_newer": "2026-11-01"},
        {"build_apt": ["gcc"]},
        {"python": "3.12"},
        {"toolchain": replace(TOOLCHAIN, python="/usr/bin/python3.12")},
    ],
    ids=str,
)
def test_whatever_a_release_carries_changes_its_digest(
    planner: Planner, changes: dict[str, Any]
) -> None:
    assert planner.plan(**changes).digest != planner.plan().digest


def test_code_and_requirements_change_the_digest(planner: Planner) -> None:
    digests = [planner.plan().digest]
    (planner.project / "src/shop.py").write_text("app = 1\n")
    digests.append(planner.plan().digest)
    (planner.project / "src/requirements.txt").write_text("flask==3.1.1\n")
    digests.append(planner.plan().digest)
    assert len(set(digests)) == 3


@pytest.mark.parametrize(
    "changes",
    [
        {"domains": ["shop.test"]},
        {"port": 81},
        {"nginx": {"client_max_body_size": "1G"}},
        {"checks": [{"path": "/"}]},
        {"release": {"keep": 2}},
        {"description": "other"},
        {"drain": 20},
    ],
    ids=str,
)
def test_what_is_not_in_a_release_does_not_make_a_new_one(
    planner: Planner, changes: dict[str, Any]
) -> None:
    assert planner.plan(**changes).digest == planner.plan().digest


def test_a_new_release_is_named_after_time_and_digest(
    planner: Planner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "STARTED", "20260102T030405Z")
    wanted = planner.plan()
    assert wanted.release_id(state()) == f"20260102T030405Z-{wanted.digest[:12]}"


def test_a_built_release_is_taken_again(planner: Planner) -> None:
    wanted = planner.plan()
    old, new, other = (
        f"20250101T000000Z-{wanted.digest[:12]}",
        f"20250201T000000Z-{wanted.digest[:12]}",
        "20250301T000000Z-0123456789ab",
    )
    built = {old: (True, False), new: (True, False), other: (True, False)}
    assert wanted.release_id(state(other, built)) == new
    assert wanted.release_id(state(old, built)) == old


def test_an_unfinished_release_is_not_taken_and_a_bad_one_is_tried_again(planner: Planner) -> None:
    """What made it bad may be gone; a rollback, not a deploy, goes past it."""
    wanted = planner.plan()
    bad, unfinished = (
        f"20250101T000000Z-{wanted.digest[:12]}",
        f"20250201T000000Z-{wanted.digest[:12]}",
    )
    assert wanted.release_id(state(None, {unfinished: (False, False)})) != unfinished
    both = {bad: (True, True), unfinished: (False, False)}
    assert wanted.release_id(state(None, both)) == bad


def test_a_live_release_that_has_lost_its_python_is_replaced(
    planner: Planner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "STARTED", "20260102T030405Z")
    wanted = planner.plan()
    live = f"20250101T000000Z-{wanted.digest[:12]}"
    new = f"20260102T030405Z-{wanted.digest[:12]}"
    assert wanted.release_id(state(live, {live: (False, False)})) == new
    # The next run takes the new one, whichever is live.
    both = {live: (False, False), new: (True, False)}
    assert wanted.release_id(state(live, both)) == new
    assert wanted.release_id(state(new, both)) == new


def test_secrets_are_in_one_secret_file_and_nowhere_else(planner: Planner) -> None:
    wanted = planner.plan(secrets={"KEY": "hunter2"})
    for entry in wanted.entries("R"):
        assert isinstance(entry, File)
        if entry.path.endswith("/env"):
            assert (entry.mode, entry.user, entry.secret) == ("0600", "root", True)
            assert entry.data == b'COLOUR="red"\nKEY="hunter2"\n'
        else:
            assert b"hunter2" not in entry.data
    assert "hunter2" not in repr(wanted)


def test_a_secret_as_a_file_is_in_no_variable(planner: Planner) -> None:
    settings = {"secrets": {"KEY": {"env": "KEY", "as_file": True}, "OTHER": {"env": "OTHER"}}}
    wanted = planner.plan(manifest=settings, secrets={"KEY": "hunter2", "OTHER": "b"})
    files = {item.path: item for item in wanted.entries("R") if isinstance(item, File)}
    folder = wanted.paths.release("R")
    assert files[f"{folder}/env"].data == b'COLOUR="red"\nOTHER="b"\n'
    credential = files[f"{folder}/credential.KEY"]
    assert (credential.data, credential.mode, credential.secret) == (b"hunter2", "0600", True)
    unit = files[wanted.paths.unit_file("R")].data.decode()
    assert f"LoadCredential=KEY:{folder}/credential.KEY\n" in unit
    assert "Environment=KEY_FILE=%d/KEY\n" in unit
    assert (
        wanted.digest != planner.plan(manifest=settings, secrets={"KEY": "x", "OTHER": "b"}).digest
    )


def test_the_path_of_a_secret_as_a_file_has_one_source(planner: Planner) -> None:
    with pytest.raises(ValueError, match="as_file: sets KEY_FILE, which is set by env too"):
        planner.plan(
            manifest={"env": {"KEY_FILE": "x"}, "secrets": {"KEY": {"env": "K", "as_file": True}}}
        )


@pytest.mark.parametrize(
    ("changes", "key", "message"),
    [
        ({"source": {"directory": "gone"}}, "source", "gone cannot be read: No such file"),
        ({"source": {"git": "gone.git", "ref": "v1"}}, "source", "git clone: fatal:"),
        ({"requirements": "gone.txt"}, "requirements", "src has no file gone.txt"),
        ({"requirements": "binary.txt"}, "requirements", "the requirements are not text"),
    ],
)
def test_a_source_that_cannot_be_read_is_an_error_in_the_settings(
    planner: Planner, changes: dict[str, Any], key: str, message: str
) -> None:
    (planner.project / "src/binary.txt").write_bytes(b"\x80")
    with pytest.raises(SettingsError) as caught:
        planner.plan(**changes)
    [problem] = caught.value.problems
    assert (problem.key, problem.layer) == (f"app.shop.{key}", "apps/shop.yml")
    assert message in problem.message
