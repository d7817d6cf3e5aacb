"""Layers: what wins, what is merged, and where a value came from."""

from __future__ import annotations

import pytest

from groundcrew.manifest.server import GunicornServer
from groundcrew.settings.layers import nested
from groundcrew.settings.merge import Layer, merge
from groundcrew.settings.rows import rows
from tests.unit.project import Project


def test_mappings_merge_deeply_and_lists_are_replaced() -> None:
    merged = merge(
        [
            Layer("a", {"x": {"y": {"one": 1, "two": 2}, "list": [1, 2]}}),
            Layer("b", {"x": {"y": {"two": 3}, "list": [3]}}),
        ]
    )
    assert merged.data == {"x": {"y": {"one": 1, "two": 3}, "list": [3]}}
    assert merged.origin(("x", "y", "one")) == "a"
    assert merged.origin(("x", "y", "two")) == "b"
    assert merged.origin(("x", "list")) == "b"
    assert merged.origin(("x", "unknown")) == "defaults"


def test_a_value_replaces_a_mapping_and_the_other_way_round() -> None:
    merged = merge([Layer("a", {"x": {"y": 1}}), Layer("b", {"x": None})])
    assert merged.data == {"x": None}
    assert merged.origins == {("x",): "b"}
    merged = merge([Layer("a", {"x": 1}), Layer("b", {"x": {"y": 2}})])
    assert merged.data == {"x": {"y": 2}}
    assert merged.origins == {("x", "y"): "b"}


def test_an_empty_mapping_adds_nothing() -> None:
    merged = merge([Layer("a", {"x": {"y": 1}}), Layer("b", {"x": {}, "z": {}})])
    assert merged.data == {"x": {"y": 1}, "z": {}}
    assert merged.origins == {("x", "y"): "a", ("z",): "b"}


def test_layers_are_not_changed_by_merging() -> None:
    first = {"x": {"y": 1}, "e": {}}
    merged = merge([Layer("a", first), Layer("b", {"x": {"z": 2}, "e": {"f": 1}})])
    merged.data["x"]["y"] = 5
    assert first == {"x": {"y": 1}, "e": {}}


def test_a_missing_key_is_to_be_mended_where_its_block_is_written() -> None:
    merged = merge(
        [
            Layer("defaults", {"app": {"shop": {"port": 80}}}),
            Layer("apps/shop.yml", {"app": {"shop": {"entry": "a:b"}}}),
            Layer("group_data/web.py", {"app": {"shop": {"port": 81}}}),
        ]
    )
    assert merged.nearest_origin(("app", "shop", "source")) == "apps/shop.yml"
    assert merged.nearest_origin(("app", "shop", "port")) == "group_data/web.py"


def test_dotted_keys_nest_and_meet() -> None:
    flat = {"app.shop.port": 81, "app.shop.server.workers": 4, "app": {"shop": {"entry": "a:b"}}}
    assert nested(flat) == {"app": {"shop": {"port": 81, "server": {"workers": 4}, "entry": "a:b"}}}


def groups(project: Project, **lists: dict[str, object]) -> None:
    """Applications one to four, and a host that is in all of these groups."""
    for name in ("one", "two", "three", "four"):
        project.app(name, text=f"source: {{directory: src}}\nentry: a:b\ndomains: [{name}.test]\n")
    project.groups = {"web": {}, **lists}
    project.hosts = {"web1": (["web", *lists], {})}


def test_applications_of_groups_add_up(project: Project) -> None:
    groups(project, shops={"apps": ["one", "two"]}, blogs={"apps": ["three", "two"]})
    project.all = {"apps": ["four"]}
    loaded = project.load()["web1"]
    assert loaded.settings.apps == ("four", "one", "two", "three")
    assert list(loaded.settings.app) == ["four", "one", "two", "three"]
    [row] = [row for row in rows(loaded) if row.key == "apps"]
    assert row.layer == "inventory, group all + inventory, group shops + inventory, group blogs"


@pytest.mark.parametrize("order", [["shops", "small"], ["small", "shops"]])
def test_a_group_can_be_without_an_application(project: Project, order: list[str]) -> None:
    lists: dict[str, dict[str, object]] = {
        "shops": {"apps": ["one", "two"]},
        "small": {"apps_without": ["two"]},
    }
    groups(project, **{name: lists[name] for name in order})
    assert project.settings().apps == ("one",)
    project.hosts["web1"] = (project.hosts["web1"][0], {"apps_without": ["one"]})
    assert project.settings().apps == ()


def test_what_is_said_for_one_host_replaces_the_list(project: Project) -> None:
    groups(project, shops={"apps": ["one", "two"]}, small={"apps_without": ["two"]})
    project.hosts["web1"] = (project.hosts["web1"][0], {"apps": ["two", "three"]})
    assert project.settings().apps == ("two", "three")
    project.data = {"apps": ["four"]}
    loaded = project.load()["web1"]
    assert loaded.settings.apps == ("four",)
    assert loaded.merged.origin(("apps",)) == "--data"


def test_mistakes_in_lists_of_applications(project: Project) -> None:
    groups(project, shops={"apps": ["one"]}, small={"apps_without": ["onee"]})
    layer, key, message = project.error()
    assert (layer, key) == ("inventory, group small", "apps_without")
    assert message == 'no application "onee"; did you mean "one"?'
    groups(project, shops={"apps": ["one"]}, small={"apps": "two"})
    layer, key, message = project.error()
    assert (layer, key) == ("inventory, group small", "apps")
    assert "list" in message


def test_each_layer_wins_over_the_one_before(project: Project) -> None:
    names = ("workers", "timeout", "threads", "backlog", "keep_alive", "graceful_timeout")

    def server(*keys: str, value: int) -> dict[str, object]:
        return {"shop": {"server": dict.fromkeys(keys, value)}}

    manifest = ", ".join(f"{name}: 101" for name in names[1:])
    project.app(more=f"server: {{worker_class: gthread, {manifest}}}\n")
    project.all = {"app": server(*names[2:], value=102)}
    project.groups = {
        "db": {"app": server(*names[3:], value=103), "servers": []},
        "web": {"apps": ["shop"], "app": server(*names[4:], value=104)},
    }
    project.hosts = {"web1": (["db", "web"], {"app": server(*names[5:], value=105)})}
    project.data = {}
    loaded = project.load()["web1"]
    effective = loaded.settings.app["shop"].server
    assert [getattr(effective, name) for name in names] == ["auto", 101, 102, 103, 104, 105]
    assert [loaded.merged.origin(("app", "shop", "server", name)) for name in names] == [
        "defaults",
        "apps/shop.yml",
        "inventory, group all",
        "inventory, group db",
        "inventory, group web",
        "inventory, host web1",
    ]


def test_a_layer_is_named_after_its_file_where_it_has_one(project: Project) -> None:
    project.write("group_data/web.py", "")
    project.groups["web"] = {"nginx": {"gzip_level": 7}}
    loaded = project.load()["web1"]
    assert loaded.merged.origin(("nginx", "gzip_level")) == "group_data/web.py"


def test_the_command_line_wins_over_everything(project: Project) -> None:
    project.app()
    project.hosts["web1"] = (["web"], {"app": {"shop": {"server": {"workers": 2, "timeout": 5}}}})
    project.data = {"app.shop.server.workers": 4}
    loaded = project.load()["web1"]
    server = loaded.settings.app["shop"].server
    assert isinstance(server, GunicornServer)
    assert (server.workers, server.timeout) == (4, 5)
    assert loaded.merged.origin(("app", "shop", "server", "workers")) == "--data"


def test_a_hosts_override_of_one_nested_key_changes_that_key_there_alone(project: Project) -> None:
    project.app(more="server: {workers: 2, timeout: 20}\nenv: {A: a, B: b}\n")
    project.groups["web"]["app"] = {"shop": {"health": {"path": "/health"}}}
    project.hosts = {name: (["web"], {}) for name in ("web1", "web2", "web3")}
    before = {name: item.settings.model_dump() for name, item in project.load().items()}
    project.hosts["web2"] = (["web"], {"app": {"shop": {"server": {"workers": 7}}}})
    after = {name: item.settings.model_dump() for name, item in project.load().items()}
    assert after["web1"] == before["web1"] and after["web3"] == before["web3"]
    assert after["web2"]["app"]["shop"]["server"].pop("workers") == 7
    before["web2"]["app"]["shop"]["server"].pop("workers")
    assert after["web2"] == before["web2"]


def test_default_mappings_are_merged_into_and_null_takes_an_entry_out(project: Project) -> None:
    project.all = {"base": {"sysctl": {"vm.swappiness": 1, "kernel.kptr_restrict": None}}}
    sysctl = project.settings().base.sysctl
    assert (sysctl["vm.swappiness"], sysctl["kernel.kptr_restrict"]) == (1, None)
    assert sysctl["fs.suid_dumpable"] == 0


def test_a_default_admin_keeps_what_is_not_overridden(project: Project) -> None:
    project.all = {"users": {"admins": {"deploy": {"shell": "/bin/sh"}, "eve": {}}}}
    admins = project.settings().users.admins
    assert set(admins) == {"deploy", "eve"}
    assert admins["deploy"] is not None and admins["deploy"].shell == "/bin/sh"


def test_connection_data_and_underscored_names_are_no_settings(project: Project) -> None:
    project.hosts["web1"] = (["web"], {"ssh_port": 22, "bootstrap_user": "root", "_sudo": True})
    project.settings()


def test_an_override_of_an_application_that_the_host_does_not_run_is_ignored(
    project: Project,
) -> None:
    project.app()
    project.write("apps/blog.yml", "source: {directory: src}\nentry: a:b\n")
    project.all = {"app": {"blog": {"port": 8080}}}
    assert set(project.settings().app) == {"shop"}
