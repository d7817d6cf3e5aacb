"""Values that a host makes up: tokens here, the values only there."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from pydantic import SecretStr

from groundcrew.entries import File, Generated, changes, tokens
from groundcrew.manifest import generated
from groundcrew.manifest.server import GunicornServer
from groundcrew.releases.plan import ReleasePlan
from groundcrew.roles import app as app_role
from groundcrew.roles.gunicorn import Gunicorn
from groundcrew.settings.weak import is_weak, looks_secret
from tests.unit.project import Project
from tests.unit.test_apply_files import apply, file, inspect, mode
from tests.unit.test_release_plan import TOOLCHAIN, Planner

MANIFEST = "apps/shop.yml"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def value(store: Path, token: str = "generated1") -> Generated:
    return Generated(token, str(store), length=20, alphabet="xyz")


def made_up(store: Path) -> str:
    return store.read_text()


def test_a_host_makes_a_value_up_once(tmp_path: Path) -> None:
    store = tmp_path / "secrets" / "KEY.1"
    entries = [
        file(tmp_path / name, "a generated1\nb generated1\n", generated=(value(store),))
        for name in ("one", "two")
    ]
    assert apply(*entries).returncode == 0
    generated = made_up(store)
    assert len(generated) == 20
    assert set(generated) <= set("xyz")
    assert (mode(store), mode(store.parent)) == ("0600", "0700")
    for name in ("one", "two"):
        assert (tmp_path / name).read_text() == f"a {generated}\nb {generated}\n"
    assert apply(*entries).returncode == 0
    assert made_up(store) == generated
    assert list(store.parent.iterdir()) == [store]


def test_a_file_is_compared_without_its_value_leaving_the_host(tmp_path: Path) -> None:
    store = tmp_path / "secrets" / "KEY.1"
    entry = file(tmp_path / "env", 'KEY="generated1"\n', generated=(value(store),))
    assert apply(entry).returncode == 0
    states = inspect(tmp_path / "env", generated=tokens([entry]))
    assert states[entry.path]["sha256"] == hashlib.sha256(entry.data).hexdigest()
    assert changes([entry], states) == []
    (tmp_path / "env").write_text('KEY="other"\n')
    assert changes([entry], inspect(tmp_path / "env", generated=tokens([entry]))) == [entry]


def test_a_token_that_was_never_replaced_is_a_difference(tmp_path: Path) -> None:
    entry = file(tmp_path / "env", "generated1\n", generated=(value(tmp_path / "KEY.1"),))
    Path(entry.path).write_text("generated1\n")
    assert changes([entry], inspect(tmp_path / "env", generated=tokens([entry]))) == [entry]


def test_a_link_must_not_lead_out_of_the_release(tmp_path: Path) -> None:
    release, other = tmp_path / "release", tmp_path / "other"
    release.mkdir()
    other.mkdir()
    (release / "conf").symlink_to(other)
    done = apply(file(release / "conf" / "a", "x", within=str(release)))
    assert done.returncode == 1
    assert "a link leads out of" in done.stderr
    assert list(other.iterdir()) == []


def test_another_version_is_another_release(tmp_path: Path) -> None:
    planner = Planner(tmp_path)
    (tmp_path / "a.j2").write_text("{{ secrets.KEY }} {{ secrets.OTHER }}")

    def plan(version: int) -> ReleasePlan:
        settings = planner.settings(
            secrets={"KEY": {"generate": {"version": version}}, "OTHER": {"env": "X"}},
            files={"a": {"template": "a.j2"}},
        )
        source = settings.secrets["KEY"].generate
        assert source
        token = generated.token("shop", "KEY", source)
        return app_role.plan(
            "shop",
            settings,
            build_secrets={},
            secrets={"KEY": SecretStr(token), "OTHER": SecretStr("b")},
            server=Gunicorn(GunicornServer()),
            toolchain=TOOLCHAIN,
            drain=1,
            project=tmp_path,
        )

    first = plan(1)
    assert first.digest == plan(1).digest != plan(2).digest
    for number in (1, 2):
        files = [item for item in plan(number).entries("R") if isinstance(item, File)]
        carrying = {item.path.rsplit("/", 1)[1]: item.generated for item in files if item.generated}
        stores = {name: [item.store for item in items] for name, items in carrying.items()}
        store = f"/srv/shop/secrets/KEY.{number}"
        assert stores == {"env": [store], "a": [store]}


def test_the_value_of_a_secret_that_is_generated_is_its_token(project: Project) -> None:
    project.app(more="secrets: {KEY: {generate: {}}}\nrequired: [KEY]\n")
    known = project.load()["web1"].secrets["shop"]["KEY"].get_secret_value()
    assert known.startswith("generated")
    assert known.isalnum()


def test_several_hosts_would_each_have_a_value_of_their_own(project: Project) -> None:
    project.app(more="secrets: {KEY: {generate: {}}}\n")
    project.hosts["web2"] = (["web"], {})
    layer, key, message = project.error()
    assert (layer, key) == (MANIFEST, "app.shop.secrets.KEY.generate")
    assert "per_host" in message
    project.write(
        "apps/shop.yml",
        (project.root / "apps/shop.yml").read_text().replace("{}}", "{per_host: true}}"),
    )
    assert set(project.load()) == {"web1", "web2"}


@pytest.mark.parametrize(
    "weak",
    [
        "admin", "password", "changeme", "root123", "Passw0rd!", "123456", "change-me-please",
        "CHANGE_ME", "your-api-key", "redis123", "minioadmin", "xxxx", "secret_key",
        "django-insecure-abcdefghijklmnopqrstuvwxyz", "test",
    ],
)  # fmt: skip
def test_well_known_defaults_are_refused(project: Project, weak: str) -> None:
    project.write("key", weak)
    project.app(more="secrets: {KEY: {file: key}}\n")
    layer, key, message = project.error()
    assert (layer, key) == (MANIFEST, "app.shop.secrets.KEY")
    assert "well-known default" in message
    assert weak not in message
    project.write(
        "apps/shop.yml",
        (project.root / "apps/shop.yml").read_text().replace("key}", "key, allow_weak: true}"),
    )
    assert project.load()


@pytest.mark.parametrize("good", ["hunter2", "s3cr3t-of-the-shop", "Tr0ub4dor&3", "sk-1234567890"])
def test_other_values_are_taken(good: str) -> None:
    assert not is_weak(good)


def test_a_default_password_is_refused_in_env_too(project: Project) -> None:
    project.app(more="env: {DB_PASSWORD: admin, MODE: test, TOKEN_TTL: '60'}\n")
    assert project.errors() == [
        (
            MANIFEST,
            "app.shop.env.DB_PASSWORD",
            "a well-known default where a secret belongs; use secrets",
        )
    ]
    assert not looks_secret("MODE")
