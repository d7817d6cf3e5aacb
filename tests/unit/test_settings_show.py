"""Resolved settings with their layers; secrets masked."""

from __future__ import annotations

import json

import pytest

from groundcrew.roles.settings import HostSettings
from groundcrew.settings import SettingsError, explain
from groundcrew.settings.rows import Row, below, rows
from groundcrew.settings.schema import model_schema
from groundcrew.settings.show import print_settings, table
from tests.unit.project import Project


@pytest.fixture
def shop(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("GC_TEST_KEY", "hunter2")
    project.write("key.txt", "hunter3")
    project.app(
        more="""\
server: {workers: 2}
env: {DATABASE_URL: "postgres://shop:hunter4@db/shop", LIST: ["redis://:hunter5@cache"]}
secrets:
  KEY: {env: GC_TEST_KEY}
  FILE: {file: key.txt}
  COMMAND: {command: "echo hunter6"}
"""
    )
    project.hosts["web2"] = (["web"], {"app": {"shop": {"server": {"workers": 4}}}})
    return project


def test_every_value_has_its_layer(shop: Project) -> None:
    shown = {row.key: (row.value, row.layer) for row in rows(shop.load()["web2"])}
    assert shown["app.shop.server.workers"] == (4, "inventory, host web2")
    assert shown["app.shop.domains"] == (["shop.test"], "apps/shop.yml")
    assert shown["app.shop.server.timeout"] == (30, "defaults")
    assert shown["base.sysctl.vm.swappiness"] == (10, "defaults")
    assert shown["verify.json"] == (None, "defaults")
    assert shown["apps"] == (["shop"], "inventory, group web")
    assert not any(key.startswith("settings") for key in shown)


def test_what_adds_up_has_its_layers_below_each_other() -> None:
    text = table([Row("apps", ["a", "b"], "group_data/a.py + group_data/b.py")], 60)
    assert [line.split("  ")[-1] for line in text.splitlines()[1:]] == [
        "group_data/a.py",
        "+ group_data/b.py",
    ]


def test_secrets_are_masked(shop: Project) -> None:
    shown = {row.key: row for row in rows(shop.load()["web1"])}
    assert shown["app.shop.secrets.KEY"] == Row(
        "app.shop.secrets.KEY", "****** (env GC_TEST_KEY)", "apps/shop.yml"
    )
    assert shown["app.shop.secrets.FILE"].value == "****** (file key.txt)"
    assert shown["app.shop.secrets.COMMAND"].value == "****** (command)"
    assert shown["app.shop.env.DATABASE_URL"].value == "postgres://shop:******@db/shop"
    assert shown["app.shop.env.LIST"].value == ["redis://:******@cache"]
    assert "hunter" not in str(shown)


def test_an_overridden_secret_has_the_layer_that_did_it(shop: Project) -> None:
    shop.all = {"app": {"shop": {"secrets": {"KEY": {"env": None, "file": "key.txt"}}}}}
    shown = {row.key: row for row in rows(shop.load()["web1"])}
    assert shown["app.shop.secrets.KEY"].value == "****** (file key.txt)"
    assert shown["app.shop.secrets.KEY"].layer == "inventory, group all"


def test_one_block_or_value(shop: Project) -> None:
    shown = rows(shop.load()["web1"])
    assert [row.key for row in below(shown, "nginx.gzip")] == ["nginx.gzip"]
    assert {row.key.rsplit(".", 1)[0] for row in below(shown, "app.shop.server")} == {
        "app.shop.server"
    }
    assert below(shown, "app.sho") == []
    assert below(shown, None) == shown


def test_long_values_are_wrapped() -> None:
    text = table([Row("a.b", "one two three four five six seven", "defaults"), Row("c", "", "x")],
                 width=39)  # fmt: skip
    assert text.splitlines() == [
        "KEY  VALUE                     LAYER",
        "a.b  one two three four five   defaults",
        "     six seven",
        'c    ""                        x',
    ]


def printed(project: Project, capsys: pytest.CaptureFixture[str]) -> str:
    inventory = project.inventory()
    project.load()
    print_settings(inventory)
    return capsys.readouterr().out


def test_all_hosts_are_printed(shop: Project, capsys: pytest.CaptureFixture[str]) -> None:
    shop.data = {"settings.key": "app.shop.server.workers"}
    lines = printed(shop, capsys).splitlines()
    assert [line.split() for line in lines if line] == [
        ["web1"],
        ["KEY", "VALUE", "LAYER"],
        ["app.shop.server.workers", "2", "apps/shop.yml"],
        ["web2"],
        ["KEY", "VALUE", "LAYER"],
        ["app.shop.server.workers", "4", "inventory,", "host", "web2"],
    ]


def test_json(shop: Project, capsys: pytest.CaptureFixture[str]) -> None:
    shop.data = {"settings.key": "app.shop.server.workers", "settings.json": True}
    assert json.loads(printed(shop, capsys)) == {
        "web1": {"app.shop.server.workers": {"value": 2, "layer": "apps/shop.yml"}},
        "web2": {"app.shop.server.workers": {"value": 4, "layer": "inventory, host web2"}},
    }


def test_a_key_that_no_host_has(shop: Project, capsys: pytest.CaptureFixture[str]) -> None:
    shop.data = {"settings.key": "nginx.gzpi"}
    with pytest.raises(SettingsError, match=r'did you mean "nginx\.gzip"'):
        printed(shop, capsys)


def test_only_what_somebody_has_set(shop: Project, capsys: pytest.CaptureFixture[str]) -> None:
    shop.data = {"settings.changed": True, "settings.key": "app.shop.server"}
    lines = printed(shop, capsys).splitlines()
    assert [line.split()[:2] for line in lines if "shop" in line] == [
        ["app.shop.server.workers", "2"],
        ["app.shop.server.workers", "4"],
    ]


def test_a_setting_is_explained(shop: Project, capsys: pytest.CaptureFixture[str]) -> None:
    shop.data = {"settings.explain": "app.shop.server.workers"}
    lines = printed(shop, capsys).splitlines()
    assert lines[0] == "app.shop.server.workers"
    fields = {tuple(line.split(None, 1)) for line in lines[1:]}
    assert {
        ("of", "app.NAME.server with type: gunicorn"),
        ("type", "integer or auto"),
        ("default", '"auto"'),
        ("see", "https://gunicorn.org/design/#how-many-workers"),
        ("set", "2 (apps/shop.yml) on web1"),
        ("set", "4 (inventory, host web2) on web2"),
    } <= fields


def test_a_block_is_explained_with_what_is_set_in_it(
    shop: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.data = {"settings.explain": "app.shop.secrets"}
    text = printed(shop, capsys)
    assert " KEY = ****** (env GC_TEST_KEY) (apps/shop.yml) on web1, web2\n" in text
    assert "hunter" not in text


def test_every_setting_can_be_explained() -> None:
    schema = model_schema(HostSettings)
    known = list(explain.all_entries(schema))
    for item in known:
        key = item.entry.key.replace("NAME", "x").replace("[]", "")
        text = explain.explanation(key, explain.matching(known, key), {}, 80)
        assert max(map(len, text.splitlines()[1:])) <= 80 or "https://" in text
        assert "  meaning  " in text, key


def test_a_setting_that_does_not_exist(shop: Project, capsys: pytest.CaptureFixture[str]) -> None:
    shop.data = {"settings.explain": "nginx.gzpi"}
    with pytest.raises(SettingsError, match=r'settings\.explain\n.*did you mean "nginx\.gzip"'):
        printed(shop, capsys)
