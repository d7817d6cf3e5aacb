"""Configuration files from templates, and what is said of templates that cannot be rendered."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from groundcrew.entries import File
from groundcrew.manifest.config_render import ConfigFileError, context, render
from groundcrew.manifest.model import AppSettings
from tests.environment_values import VALUES
from tests.unit.project import Project
from tests.unit.test_release_plan import Planner

MANIFEST = "apps/shop.yml"
FILES = "files: {conf/app.json: {template: app.json.j2}}\n"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.fixture
def planner(tmp_path: Path) -> Planner:
    return Planner(tmp_path)


def test_a_template_knows_env_secrets_the_manifest_and_paths(tmp_path: Path) -> None:
    template = tmp_path / "a.j2"
    template.write_text(
        "{% if env.DEBUG %}\ndebug\n{% endif %}\n{{ env.HOSTS | join(' ') }} {{ secrets.KEY }} "
        "{{ name }} {{ app.port }} {{ app.server.workers }} {{ paths.shared }}\n"
    )
    app = AppSettings.model_validate(
        {"source": {"directory": "x"}, "entry": "a:b", "env": {"DEBUG": True, "HOSTS": ["a", "b"]}}
    )
    text = render(template, context("shop", app, {"KEY": "s&<>"}))
    assert text == "debug\na b s&<> shop 80 auto /srv/shop/shared\n"


def test_tojson_quotes_every_value(tmp_path: Path) -> None:
    """And does not write HTML's escapes into files that are not HTML."""
    template = tmp_path / "a.j2"
    template.write_text("{{ values | tojson }}")
    values = {**VALUES, "TAG": "<a href='x'>&"}
    text = render(template, {"values": values})
    assert json.loads(text) == values
    assert "<a href='x'>&" in text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\n{{ secrets.TOKN }}", 'app.json.j2, line 2: "TOKN" is not defined; did you mean'),
        ("a\n\n{{ env.NOTHING }}", 'app.json.j2, line 3: "NOTHING" is not defined'),
        ("{{ unknown }}", "app.json.j2, line 1: 'unknown' is undefined"),
        ("{% for %}", "app.json.j2, line 1: Expected an expression"),
        ("\n{% include 'gone' %}", "app.json.j2, line 2: no template gone"),
        ("{% include 'part.j2' %}", 'part.j2, line 2: "MISSING" is not defined'),
        ("{{ secrets.TOKEN | round }}", "app.json.j2, line 1: TypeError"),
    ],
)
def test_a_template_that_cannot_be_rendered(tmp_path: Path, text: str, message: str) -> None:
    template = tmp_path / "app.json.j2"
    template.write_text(text)
    (tmp_path / "part.j2").write_text("\n{{ env.MISSING }}")
    with pytest.raises(ConfigFileError) as caught:
        render(template, {"env": {"A": 1}, "secrets": {"TOKEN": "hunter2"}})
    assert str(caught.value).startswith(message)
    assert "hunter2" not in str(caught.value)


def test_a_template_is_tried_before_any_host_is_touched(project: Project) -> None:
    project.write("app.json.j2", "{{ env.COLOR }}")
    project.app(more=f"env: {{COLOUR: red}}\n{FILES}")
    assert project.error() == (
        MANIFEST,
        "app.shop.files.conf/app.json.template",
        'app.json.j2, line 1: "COLOR" is not defined; did you mean "COLOUR"?',
    )


def test_a_missing_template(project: Project) -> None:
    project.app(more=FILES)
    assert project.error() == (
        MANIFEST,
        "app.shop.files.conf/app.json.template",
        f"no file {project.root}/app.json.j2",
    )


@pytest.mark.parametrize(
    ("written", "key", "message"),
    [
        (
            "files: {../up: {template: a}}",
            "files.../up",
            "expected a relative path that stays inside",
        ),
        ("files: {a: {}}", "files.a.template", "is required"),
        ("files: {a: {template: a, mode: '0644'}}", "files.a.mode", "expected '0640' or '0440'"),
        (
            "files: {data/a: {template: a}}\nshared: [data]",
            "files.data/a",
            "lies in shared/data, which no release owns",
        ),
    ],
)
def test_a_file_that_cannot_be(project: Project, written: str, key: str, message: str) -> None:
    project.write("a", "")
    project.app(more=written + "\n")
    _, name, text = project.error()
    assert name == f"app.shop.{key}"
    assert text.startswith(message)


def test_a_release_carries_its_files(planner: Planner) -> None:
    (planner.project / "app.json.j2").write_text('{"key": {{ secrets.KEY | tojson }}}')
    files = {"conf/app.json": {"template": "app.json.j2"}}
    wanted = planner.plan(files=files)
    files_of = [item for item in wanted.entries("R") if isinstance(item, File)]
    [file] = [item for item in files_of if item.path.endswith("/app/conf/app.json")]
    assert file.data == b'{"key": "a"}'
    assert (file.mode, file.user, file.group, file.secret) == ("0640", "root", "shop", True)
    assert planner.plan(files=files).digest == wanted.digest
    assert planner.plan(files=files, secrets={"KEY": "b"}).digest != wanted.digest
    (planner.project / "app.json.j2").write_text('{"key": {{ secrets.KEY | tojson }} }')
    assert planner.plan(files=files).digest != wanted.digest
    assert planner.plan().digest not in (wanted.digest, planner.plan(files=files).digest)
