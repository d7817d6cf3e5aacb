"""Resolved settings with their layers; secrets masked."""

from __future__ import annotations

import json

import pytest

from groundcrew.settings import SettingsError
from groundcrew.settings.show import Row, below, print_settings, rows, table
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
    found = {row.key: (row.value, row.layer) for row in rows(shop.load()["web2"])}
    assert found["app.shop.server.workers"] == (4, "inventory, host web2")
    assert found["app.shop.domains"] == (["shop.test"], "apps/shop.yml")
    assert found["app.shop.server.timeout"] == (30, "defaults")
    assert found["base.sysctl.vm.swappiness"] == (10, "defaults")
    assert found["verify.json"] == (None, "defaults")
    assert found["apps"] == (["shop"], "inventory, group web")
    assert not any(key.startswith("settings") for key in found)


def test_what_adds_up_has_its_layers_below_each_other() -> None:
    text = table([Row("apps", ["a", "b"], "group_data/a.py + group_data/b.py")], 60)
    assert [line.split("  ")[-1] for line in text.splitlines()[1:]] == [
        "group_data/a.py",
        "+ group_data/b.py",
    ]


def test_secrets_are_masked(shop: Project) -> None:
    found = {row.key: row for row in rows(shop.load()["web1"])}
    assert found["app.shop.secrets.KEY"] == Row(
        "app.shop.secrets.KEY", "****** (env GC_TEST_KEY)", "apps/shop.yml"
    )
    assert found["app.shop.secrets.FILE"].value == "****** (file key.txt)"
    assert found["app.shop.secrets.COMMAND"].value == "****** (command)"
    assert found["app.shop.env.DATABASE_URL"].value == "postgres://shop:******@db/shop"
    assert found["app.shop.env.LIST"].value == ["redis://:******@cache"]
    assert "hunter" not in str(found)


def test_an_overridden_secret_has_the_layer_that_did_it(shop: Project) -> None:
    shop.all = {"app": {"shop": {"secrets": {"KEY": {"env": None, "file": "key.txt"}}}}}
    found = {row.key: row for row in rows(shop.load()["web1"])}
    assert found["app.shop.secrets.KEY"].value == "****** (file key.txt)"
    assert found["app.shop.secrets.KEY"].layer == "inventory, group all"


def test_one_block_or_value(shop: Project) -> None:
    found = rows(shop.load()["web1"])
    assert [row.key for row in below(found, "nginx.gzip")] == ["nginx.gzip"]
    assert {row.key.rsplit(".", 1)[0] for row in below(found, "app.shop.server")} == {
        "app.shop.server"
    }
    assert below(found, "app.sho") == []
    assert below(found, None) == found


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
