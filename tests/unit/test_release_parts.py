"""Which part of a release a change touches, and what builds and hooks run as."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from groundcrew.entries import Directory, File
from groundcrew.manifest.model import AppSettings
from groundcrew.manifest.paths import AppPaths
from groundcrew.manifest.unit import hooks_units, script_line
from groundcrew.releases.plan import ReleasePlan
from groundcrew.releases.steps.build import build_payload
from groundcrew.remote.build_unit import SANDBOX
from groundcrew.roles.app import builders
from groundcrew.roles.python.settings import PythonSettings
from tests.unit.test_release_plan import Planner, state

PATHS = AppPaths("shop")
RELEASE = "20260101T000000Z-aaaaaaaaaaaa"


@pytest.fixture
def planner(tmp_path: Path) -> Planner:
    return Planner(tmp_path)


def keys(plan: ReleasePlan) -> tuple[str, str, str]:
    return plan.environment_key, plan.code_key, plan.digest


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"health": {"timeout": 90}}, (True, True)),
        ({"env": {"GREETING": "hi"}}, (True, True)),
        ({"hooks": {"build": ["make"]}}, (True, False)),
        ({"hooks": {"environment": ["true"]}}, (False, False)),
        ({"shared": ["data"]}, (True, False)),
        ({"build_apt": ["gcc"]}, (False, False)),
        ({"python": "3.12"}, (False, False)),
    ],
)
def test_a_part_that_did_not_change_is_used_again(
    planner: Planner, change: dict[str, Any], same: tuple[bool, bool]
) -> None:
    before, after = keys(planner.plan()), keys(planner.plan(**change))
    assert (before[0] == after[0], before[1] == after[1]) == same
    assert before[2] != after[2]


def test_a_changed_line_leaves_the_environment_alone(planner: Planner, tmp_path: Path) -> None:
    before = keys(planner.plan())
    source = next(path for path in tmp_path.rglob("*.py"))
    source.write_text(f"{source.read_text()}\n# changed\n")
    after = keys(planner.plan())
    assert before[0] == after[0]
    assert before[1] != after[1]


def test_an_installed_source_has_an_environment_of_its_own(
    planner: Planner, tmp_path: Path
) -> None:
    source = next(path for path in tmp_path.rglob("*.py")).parent
    (source / "pyproject.toml").write_text('[project]\nname = "shop"\nversion = "1"\n')
    plan = planner.plan(install=True)
    assert plan.source_key
    assert planner.plan().source_key is None


def test_what_a_rollback_has_left_is_not_released_again(planner: Planner) -> None:
    plan = planner.plan()
    left, live = f"20260101T000000Z-{plan.digest[:12]}", "20260102T000000Z-bbbbbbbbbbbb"
    there = state(live, {left: (True, True), live: (True, False)})
    there["taken_back"] = {left: {"time": "2026-01-03T00:00:00Z", "operator": "ops@desk"}}
    assert plan.is_taken_back(there) == left
    assert plan.release_id(there) == live
    assert not plan.is_of(live)
    asked = planner.plan()
    object.__setattr__(asked, "again", True)
    assert asked.is_taken_back(there) is None
    assert asked.release_id(there) == left
    # A host without a release gets one in any case.
    bare = state(None, {})
    bare["taken_back"] = there["taken_back"]
    assert plan.is_taken_back(bare) is None


def application(**values: Any) -> AppSettings:
    return AppSettings.model_validate({"source": {"directory": "."}, "entry": "shop:app", **values})


def test_release_hooks_run_as_the_application_does() -> None:
    app = application(hooks={"release": ["migrate", "load"], "timeout": 77})
    [(name, text)] = hooks_units(PATHS, RELEASE, app).items()
    assert name == f"shop.release-hooks@{RELEASE}.service"
    for line in (
        "User=shop",
        "Group=shop",
        "Type=oneshot",
        "TimeoutStartSec=77",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "CapabilityBoundingSet=",
        "IPAddressDeny=any",
        f"EnvironmentFile=/srv/shop/releases/{RELEASE}/env",
        f"ExecStartPost=+/usr/bin/touch /srv/shop/releases/{RELEASE}/hooks-done",
    ):
        assert f"{line}\n" in text
    assert text.count("\nExecStart=") == 2
    assert hooks_units(PATHS, RELEASE, application()) == {}


@pytest.mark.parametrize("script", ["echo \"${EVIL}\" '$x' 100% a\\b", "first\nsecond", "--> it's"])
def test_a_script_reaches_the_shell_as_it_is(script: str) -> None:
    line = script_line(script)
    assert "\n" not in line
    # As systemd reads it: escapes in double quotes, then $$ and %%.
    quoted = line.removeprefix('/bin/sh -c "').removesuffix('"')
    text = quoted.encode().decode("unicode_escape").replace("$$", "$").replace("%%", "%")
    assert text == script


def test_a_build_is_the_build_user_s_with_limits(planner: Planner) -> None:
    payload = build_payload(planner.plan(), RELEASE, None)
    assert payload["user"] == "shop-build"
    for address in ("169.254.0.0/16", "fe80::/64", "fd00:ec2::254"):
        assert address in payload["limits"]["IPAddressDeny"]
    limits = PythonSettings().build_limits.directives
    assert set(limits) == {"MemoryMax", "TasksMax", "CPUWeight", "IOWeight", "RuntimeMaxSec"}
    for item in ("NoNewPrivileges=yes", "CapabilityBoundingSet=", "TemporaryFileSystem=/srv:ro",
                 "ProtectSystem=strict", "KillMode=control-group"):  # fmt: skip
        assert item in SANDBOX


def test_what_is_finished_is_roots_and_the_build_user_has_a_group_of_its_own() -> None:
    directory_entries = builders.directories(PATHS, application())
    entries = {entry.path: entry for entry in directory_entries if isinstance(entry, Directory)}
    for name in ("releases", "environments", "code", "build"):
        assert entries[f"/srv/shop/{name}"].user == "root"
    users = {user.name: user.group for user in builders.users(PATHS)}
    assert users == {"shop": "shop", "shop-build": "shop-build"}
    assert all("shop-build" not in group.members for group in builders.groups(PATHS))


def test_no_link_is_followed_where_an_application_makes_its_sockets() -> None:
    paths = AppPaths("my-shop")
    [unit] = [entry for entry in builders.mounts(paths) if isinstance(entry, File)]
    assert unit.path == "/etc/systemd/system/run-groundcrew-apps-my\\x2dshop.mount"
    text = unit.data.decode()
    assert "Where=/run/groundcrew/apps/my-shop\n" in text
    assert ",nosymfollow,nosuid,nodev,noexec,size=" in text
