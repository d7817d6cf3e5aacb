"""The settings reference: a table and an example for each kind, and examples that load."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from groundcrew.roles.settings import HostSettings
from groundcrew.settings.reference import PAGES, SOURCE, entries, examples, kinds, manifest
from groundcrew.settings.schema import app_schema, model_schema
from groundcrew.settings.yaml import parse
from tests.documented import manifests
from tests.documented.pages import blocks
from tests.unit.project import Project
from tests.unit.test_docs_examples import beside_shop

ROOT = Path(__file__).resolve().parents[2]
APP = app_schema()
HOST = model_schema(HostSettings)
KINDS = {(item.key, item.name): item.schema for item in kinds(APP)}

SHOWN = [
    item
    for item in blocks()
    if item.page == "settings" and item.language == "yaml" and not manifests.is_default(item)
]
"""The examples as people read them."""


def test_the_kinds_are_those_that_a_manifest_can_have() -> None:
    names: dict[str, list[str]] = {}
    for key, name in KINDS:
        names.setdefault(key, []).append(name)
    assert names == {
        "source": ["directory", "git", "pypi", "file", "url"],
        "tls.certificate": ["own", "self-signed", "acme"],
        "server": ["gunicorn", "uvicorn", "uwsgi", "command"],
    }
    of_host = {item.key for item in kinds(HOST)}
    of_roles = {
        "backup.targets.NAME",
        "monitoring.dashboards.certificate",
        "monitoring.receivers.NAME",
    }
    assert {key.removeprefix("app.NAME.") for key in of_host} == {*names, *of_roles}


@pytest.mark.parametrize(("key", "name"), KINDS, ids=" ".join)
def test_each_kind_has_an_example_of_its_own(key: str, name: str) -> None:
    block = KINDS[key, name]
    assert block["examples"]
    for example in block["examples"]:
        assert example.get("type", name) == name
        assert set(example) <= set(block["properties"])


@pytest.mark.parametrize(
    ("key", "name", "required"),
    [
        ("source", "directory", {"directory"}),
        ("source", "git", {"git", "ref"}),
        ("source", "pypi", {"pypi", "version"}),
        ("source", "file", {"file"}),
        ("source", "url", {"url", "sha256"}),
        ("tls.certificate", "own", {"type", "chain", "key"}),
        ("tls.certificate", "self-signed", {"type"}),
        ("server", "gunicorn", set()),
        ("server", "uvicorn", {"type"}),
        ("server", "uwsgi", {"type"}),
        ("server", "command", {"type", "command"}),
    ],
)
def test_required_is_what_the_kind_requires(key: str, name: str, required: set[str]) -> None:
    rows = list(entries(KINDS[key, name]))
    assert {row.key for row in rows if row.default == "**required**"} == required
    assert {row.key for row in rows if "." not in row.key} == set(KINDS[key, name]["properties"])


def test_the_table_of_all_keys_names_the_kinds_and_not_their_keys() -> None:
    rows = {row.key: row for row in entries(APP)}
    assert rows["source"].kinds == ("directory", "git", "pypi", "file", "url")
    assert rows["source"].default == "**required**"
    assert rows["server"].default == "`type: gunicorn`"
    assert not [key for key in rows if key.startswith(("source.", "server.", "tls.certificate."))]


def test_every_example_of_the_models_is_on_the_page() -> None:
    values = [
        *((key, value) for key, value in examples(APP)),
        *((key, value) for (key, _), block in KINDS.items() for value in block["examples"]),
    ]
    wanted = {repr(manifest_of(key, value)) for key, value in values if same(key)}
    assert {repr(sorted_keys(parse(item.text, written="env"))) for item in SHOWN} == wanted


def same(key: str) -> bool:
    """Secrets of builds and the like have the examples of `secrets`."""
    return not key.startswith(("build_secrets", "needs", "nginx.locations"))


def manifest_of(key: str, value: Any) -> Any:
    return sorted_keys(parse(manifest(key, value), written="env"))


def sorted_keys(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: sorted_keys(value[key]) for key in sorted(value)}
    return [sorted_keys(item) for item in value] if isinstance(value, list) else value


@pytest.fixture
def shop(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project that has what the examples name."""
    beside_shop(project, monkeypatch)
    project.write("dist/shop-1.4.2-py3-none-any.whl", b"a wheel")
    project.write("secrets/api-key", "a-key-of-this-test\n")
    # Somebody's password store.
    tool = project.write("tools/pass", "#!/bin/sh\necho a-key-of-this-test\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tool.parent), prepend=":")
    project.write("all.json", '{"shop": {"API_KEY": "a-key-of-this-test"}}')
    project.all = {"tls": {"acme": {"agree_tos": True}}, "secrets": {"command": "cat all.json"}}
    return project


def around(given: Mapping[str, Any]) -> dict[str, Any]:
    """The least that an example needs besides itself."""
    least = manifests.minimal("shop")
    if "source" in given:
        del least["source"]
        if "directory" not in given["source"]:
            del least["requirements"]
    if "server" in given:
        del least["server"]
    if "tls" in given:
        least["domains"] = ["shop.example.org"]
    return least


@pytest.mark.parametrize("example", SHOWN, ids=lambda item: item.id)
def test_an_example_loads_as_it_stands(shop: Project, example: Any) -> None:
    given = parse(example.text, written="env")
    assert isinstance(given, dict)
    rest = manifest_text(around(given))
    shop.app(text=f"{rest}\n{example.text}")
    app = shop.settings().app["shop"]
    assert app.model_fields_set >= set(given)
    assert_taken(app, given)


def manifest_text(values: Mapping[str, Any]) -> str:
    return "\n".join(manifest(key, value) for key, value in values.items())


def assert_taken(settings: Any, given: Any) -> None:
    """Every value of the example is the setting's."""
    if isinstance(given, Mapping):
        for key, value in given.items():
            setting = settings[key] if isinstance(settings, Mapping) else getattr(settings, key)
            assert_taken(setting, value)
    elif isinstance(given, list):
        for item, value in zip(settings, given, strict=True):
            assert_taken(item, value)
    else:
        assert settings == given


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ("build_secrets: {TOKEN: {generate: {}}}\n", "app.shop.build_secrets.TOKEN"),
        (
            "nginx: {locations: {/admin/: {basic_auth: {ops: {generate: {}}}}}}\n",
            "app.shop.nginx.locations./admin/.basic_auth.ops",
        ),
    ],
)
def test_what_is_always_refused_is_not_listed(project: Project, more: str, key: str) -> None:
    project.app(more=more)
    _, where, message = project.error()
    assert where == key
    assert message.startswith("nobody would know a generated ")
    rows = [row.key for row in entries(APP)]
    pattern = re.compile(r"(build_secrets|basic_auth|certificate\.key).*generate")
    assert [row for row in rows if pattern.search(row)] == []
    assert "secrets.NAME.generate.length" in rows


def test_sources_are_links_to_pages_that_have_a_name() -> None:
    rows = [*entries(HOST), *entries(APP)]
    rows += [row for block in KINDS.values() for row in entries(block)]
    named = [row for row in rows if "<http" in row.description]
    assert named
    for row in named:
        assert re.search(
            r"(Sources?|Syntax): <https://[^>\s]+>(, <https://[^>\s]+>)*\.$", row.description
        )
        for url in SOURCE.findall(row.description):
            assert any(part in url for part in PAGES), url
