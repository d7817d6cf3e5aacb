"""Every example of README.md and docs/ is tried, word for word.

Manifests and group data are read as they stand; commands are run, here or on a host
(tests/e2e/test_documented.py), or stand in a table with the reason why not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from groundcrew.roles.base import apt_sources
from groundcrew.roles.settings import HostSettings
from groundcrew.settings.layers import connection_keys
from groundcrew.settings.yaml import parse
from tests.documented import manifests
from tests.documented.commands import HERE, NOT_RUN, ON_A_HOST, Step
from tests.documented.pages import LANGUAGES, ROOT, Block, block, blocks, commands, variants
from tests.documented.project import Clone, filled, typed
from tests.unit.project import Project


def ids(items: list[Block]) -> list[Any]:
    return [pytest.param(item, id=item.id) for item in items]


def in_language(language: str) -> list[Block]:
    return [item for item in blocks() if item.language == language]


def test_every_block_is_of_a_kind_that_is_tried() -> None:
    assert [item.id for item in blocks() if item.language not in LANGUAGES] == []


def test_the_tables_name_blocks_that_are_there() -> None:
    there = {item.id for item in manifests.examples()}
    tables = (manifests.WHOLE, manifests.AROUND, manifests.BESIDE, manifests.NOT_DEPLOYED)
    assert {name for table in tables for name in table} - there == set()


def beside_shop(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Moves a project beside the shop's source, and writes what examples name."""
    for name, value in manifests.VARIABLES.items():
        monkeypatch.setenv(name, value)
    project.root = project.root / "groundcrew"
    for name in ("apps", "group_data"):
        (project.root / name).mkdir(parents=True)
    (project.root.parent / "shop").symlink_to(ROOT / "tests/documented/shop")
    manifests.write_files(project.root)
    monkeypatch.setattr(apt_sources, "PROJECT", project.root)


@pytest.fixture
def shop(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project beside the shop's source, with all that the examples name."""
    beside_shop(project, monkeypatch)
    # Debian does not have MongoDB, and an example that names no repository for it needs none. A
    # balancer runs no applications.
    groups = HostSettings.role_groups() - {"mongodb", "lb"}
    project.hosts = {"web1": (["web", *groups], {})}
    # What tls.md says once for all applications.
    project.all = python(block("tls-2"))["group_data/all.py"]
    return project


@pytest.mark.parametrize("example", ids(manifests.examples()))
def test_a_manifest(shop: Project, example: Block) -> None:
    given = parse(example.text, written="env")
    values = {manifests.app_name(example): manifests.manifest(example), **manifests.others(example)}
    for name, value in values.items():
        shop.app(name, text=json.dumps(value))
    if example.id in manifests.WHOLE:
        # As it stands, comments and all.
        shop.write(f"apps/{manifests.app_name(example)}.yml", example.text.encode())
    app = shop.settings().app[manifests.app_name(example)]
    assert app.model_fields_set >= set(given)


DEFAULTS = [item for item in blocks() if manifests.is_default(item)]


@pytest.mark.parametrize("default", ids(DEFAULTS))
def test_a_default_may_be_set(shop: Project, default: Block) -> None:
    [(anchor, key)] = re.findall(r'<a id="([^"]+)-default"></a>Default of `([^`]+)`', default.above)
    head, *keys = ["app", *key.split(".")] if anchor.startswith("app-") else key.split(".")
    value = parse(default.text)
    for key in reversed(keys):
        value = {key: value}
    if head == "app":
        certificate = {"tls": {"certificate": {"type": "self-signed"}}} if keys[0] == "tls" else {}
        around = manifests.merged(manifests.minimal("shop"), certificate)
        shop.app(text=json.dumps(manifests.merged(around, value)))
    else:
        shop.all = {head: value}
    assert set(value) <= (shop.settings().app["shop"] if head == "app" else
                          getattr(shop.settings(), head)).model_fields_set  # fmt: skip


def python(item: Block) -> dict[str, dict[str, Any]]:
    """The names that each file of a block sets."""
    files: dict[str, dict[str, Any]] = {}
    _, *parts = re.split(r"^# ((?:group_data|inventory)/\w+\.py)$", item.text, flags=re.MULTILINE)
    for file, text in zip(parts[::2], parts[1::2], strict=True):
        values: dict[str, Any] = {}
        exec(text, values)
        files[file] = {key: value for key, value in values.items() if not key.startswith("_")}
    assert files, f"{item.id} does not say in a comment which file it is in"
    return files


def of_settings() -> list[Block]:
    """The other pages show modules, which tests/e2e/test_package.py and test_extending.py run."""
    return [
        item
        for item in in_language("python")
        if item.page not in ("roles", "extending", "inventories")
        and item.id not in manifests.OF_APPLICATIONS
    ]


@pytest.mark.parametrize("example", ids(of_settings()))
def test_group_data_and_inventories(shop: Project, example: Block) -> None:
    for name in ("shop", "hello"):
        shop.app(name, text=json.dumps(manifests.minimal(name)))
    for file, values in python(example).items():
        folder, name = file.removesuffix(".py").split("/")
        if folder == "inventory":
            pairs = [(host, {}) if isinstance(host, str) else host for host in values["web"]]
            shop.hosts = {host: (["web"], data) for host, data in pairs}
        elif name == "all":
            shop.all = values
        else:
            shop.groups.setdefault(name, {}).update(values)
    for host, (_, data) in shop.hosts.items():
        settings = shop.settings(host)
        given = [values for file, values in python(example).items() if "inventory" not in file]
        for values in [*given, data]:
            own = {key for key in values if key not in connection_keys() and key[0] != "_"}
            assert settings.model_fields_set >= own - {"web"}


@pytest.mark.parametrize("name", sorted(manifests.OF_APPLICATIONS))
def test_code_of_an_application_can_be_read(name: str) -> None:
    compile(block(name).text, name, "exec")


def test_every_key_of_the_front_has_an_example() -> None:
    text = "".join(item.text for item in blocks() if item.page in ("sites", "tls"))
    for key in (
        "forwarded_proto", "trusted_proxies", "proxy_protocol", "balancer_check", "redirects",
        "private", "immutable", "static",
    ):  # fmt: skip
        assert re.search(rf'\b"?{key}"?:', text), key


def test_every_command_is_run_or_is_listed_with_a_reason() -> None:
    steps = [*HERE, *ON_A_HOST]
    run = [form for step in steps for form in typed(step)]
    listed = {step.command for step in steps} | set(NOT_RUN)
    # A part of what is run somewhere is run with it.
    unknown = [
        f"{', '.join(pages)}: {text}"
        for text, pages in commands().items()
        if text not in listed
        and not any(form in whole for form in variants(text)[-1:] for whole in run)
    ]
    assert unknown == []


def test_every_command_of_the_tables_is_on_a_page() -> None:
    there = set(commands())
    named = {step.command for step in [*HERE, *ON_A_HOST]} | set(NOT_RUN)
    assert named - there == set()
    parts = {form for text in there for form in variants(text)}
    assert {step.to for step in [*HERE, *ON_A_HOST] if step.to} - parts == set()


def test_what_is_not_run_has_a_reason_and_a_test_that_exists() -> None:
    for command, item in NOT_RUN.items():
        assert item.reason, command
        file, _, name = item.test.partition("::")
        if file:
            assert f"\ndef {name}(" in (ROOT / file).read_text(encoding="utf-8"), command


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    yield Clone(tmp_path_factory.mktemp("clone"))


@pytest.mark.parametrize(
    ("step", "command"), [pytest.param(s, c, id=c) for s in HERE for c in typed(s)]
)
def test_a_command_that_needs_no_host(clone: Clone, step: Step, command: str) -> None:
    done = clone.run(step, filled(step, command, str))
    assert done.returncode == step.status, done.stdout
    assert re.search(step.says, done.stdout), done.stdout
