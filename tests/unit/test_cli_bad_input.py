"""The real command line: bad input ends the run before any connection, in one clear report."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.checkout import ROOT, Checkout, Listener

SECRET = "correct-horse-battery-staple"


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    listener = Listener()
    yield Checkout(tmp_path, listener)
    listener.socket.close()


def test_good_settings_do_connect(checkout: Checkout) -> None:
    done = checkout.run("deploy.py", "-y")
    assert done.returncode == 1
    assert checkout.listener.connections > 0, done.stderr


def test_the_next_run_compiles_nothing_again(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    stored = checkout.root / "groundcrew/__pycache__"
    shutil.rmtree(stored, ignore_errors=True)
    checkout.run("deploy.py", "-y")
    assert list(stored.glob("startup.*.pyc"))
    assert not (checkout.root / "__pycache__").exists()


def test_all_errors_in_one_report_and_no_connection(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GC_TEST_SECRET", SECRET)
    names = ["shop", "blog", "wiki", "bare", "typo", "keys", "gone", "broken", "root"]
    checkout.write("group_data/web.py", f"apps = {names}\n")
    checkout.app("shop", "domains: [shop.test]\nsecrets: {GOOD: {env: GC_TEST_SECRET}}")
    checkout.app("blog", "domains: [shop.test]\nport: 80")
    checkout.app("wiki", "port: 81")
    checkout.write("apps/bare.yml", "entry: a:b\nport: 82\n")
    checkout.app("typo", "port: 83\nserver: {wokers: 4, timeout: soon}")
    checkout.app(
        "keys", f"port: 81\nrequired: [KEY]\nsecrets: {{A: {{env: GC_UNSET}}, B: {SECRET}}}"
    )
    checkout.write("apps/broken.yml", "a: [\n")
    hosts = [checkout.host("web1"), checkout.host("web2", nginx={"gzip": 7})]
    checkout.write("inventory/prod.py", f"web = {hosts!r}\nwbe = {[checkout.host('web3')]!r}\n")
    report = checkout.refused("deploy.py", "-y", "--data", "typo.key=1")
    heads = [line.strip() for line in report.splitlines() if line.startswith("  ") and
             not line.startswith("   ")]  # fmt: skip
    assert heads.pop().startswith("Fix typo, app.bare.source, ")
    assert heads == [
        "--data: typo",
        "apps/bare.yml: app.bare.source",
        "apps/blog.yml: app.blog.domains",
        "apps/broken.yml: app.broken",
        "apps/gone.yml: app.gone",
        "apps/keys.yml: app.keys.secrets.B",
        "apps/root.yml: app.root",
        "apps/typo.yml: app.typo.server.timeout",
        "apps/typo.yml: app.typo.server.wokers",
        "inventory: wbe",
        "inventory, host web2: nginx.gzip",
    ]
    assert report.startswith(f"{len(heads)} errors in the settings")
    assert SECRET not in report
    # What needs the blocks that are wrong above is told by the next run.
    checkout.app("keys", "port: 81\nrequired: [KEY]\nsecrets: {A: {env: GC_UNSET}}")
    report = checkout.refused("deploy.py", "-y")
    assert "app.keys.required" in report
    assert "required environment variable GC_UNSET is not set" in report
    assert "without domains it takes every name on port 81" in report


def test_bad_arguments(checkout: Checkout) -> None:
    report = checkout.refused(
        "deploy.py", "-y", "--data", "typo.key=1", "--limit", "wbe1", "--exclude", "db"
    )
    assert "--data: typo\n      unknown key" in report
    assert '--limit: wbe1\n      no such host or group; did you mean "web1"?' in report
    assert "--exclude: db\n      no such host or group" in report
    report = checkout.refused("deploy.py", "-y", "--data", "verify")
    assert "--data: verify\n      expected KEY=VALUE" in report


def test_an_inventory_that_is_not_there_or_empty(checkout: Checkout) -> None:
    report = checkout.refused("deploy.py", "-y", inventory="inventory/prdo.py")
    assert "inventory: inventory/prdo.py\n      no such file, and no host of this name" in report
    checkout.write("inventory/none.py", "web = []\n")
    report = checkout.refused("deploy.py", "-y", inventory="inventory/none.py")
    assert "inventory: inventory/none.py\n      holds no hosts" in report


def test_an_inventory_elsewhere_brings_no_unknown_group(
    checkout: Checkout, tmp_path_factory: pytest.TempPathFactory
) -> None:
    inventory = tmp_path_factory.mktemp("fleet") / "europe.py"
    shutil.copy(checkout.root / "inventory/prod.py", inventory)
    done = checkout.run("playbooks/settings.py", inventory=str(inventory))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("code", "message"),
    [("apps = [\n", "'[' was never closed"), ("apps = gone\n", "name 'gone' is not defined")],
)
def test_group_data_that_is_no_python(checkout: Checkout, code: str, message: str) -> None:
    checkout.write("group_data/web.py", code)
    done = checkout.run("deploy.py", "-y")
    assert done.returncode == 1
    assert checkout.listener.connections == 0
    assert "group_data/web.py" in done.stderr and message in done.stderr


SOURCES = """\
from pyinfra import host
from pyinfra.operations import server

from groundcrew.settings import settings_for
from groundcrew.roles import (releases)

server.shell(name="must not run", commands=["touch touched"], _sudo=False)
releases.release_plan("shop", settings_for(host))
"""


@pytest.mark.parametrize(
    ("manifest", "key", "message"),
    [
        ("source: {git: gone.git, ref: v1}", "source", "git clone: fatal: repository"),
        (
            "source: {url: 'http://127.0.0.1:9/a.whl', sha256: " + "0" * 64 + "}",
            "source",
            "http://127.0.0.1:9/a.whl: [Errno 111] Connection refused",
        ),
        (
            "source: {directory: src}\nfrontend: {directory: web}\nhealth: {path: /api/}",
            "frontend",
            "src has no web/package-lock.json, which names what is installed",
        ),
        (
            "source: {directory: src}\npython: '3.11'",
            "python",
            "the source's pyproject.toml requires Python >=3.12",
        ),
        (
            "source: {directory: src}\nextras: [pg]",
            "source",
            "pyproject.toml has no optional dependencies pg (known: none)",
        ),
    ],
)
def test_a_source_that_cannot_be_used_ends_the_run_before_any_operation(
    checkout: Checkout, manifest: str, key: str, message: str
) -> None:
    checkout.write("release.py", SOURCES)
    checkout.write("inventory/here.py", "web = ['@local']\n")
    (checkout.root / "src/web").mkdir()
    checkout.write("src/web/package.json", "{}")
    checkout.write("src/pyproject.toml", '[project]\nname = "a"\nrequires-python = ">=3.12"\n')
    checkout.write("apps/shop.yml", f"entry: a:b\n{manifest}\n")
    done = checkout.run("release.py", "-y", inventory="inventory/here.py")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert f"apps/shop.yml: app.shop.{key}\n" in done.stderr
    assert message in done.stderr
    assert not (checkout.root / "touched").exists()


def test_the_settings_playbook_needs_no_host_and_masks_secrets(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GC_TEST_SECRET", SECRET)
    checkout.app(more="port: 81\nsecrets: {KEY: {env: GC_TEST_SECRET}}")
    for option in ("-y", None):
        done = checkout.run("playbooks/settings.py", *([option] if option else []))
        assert done.returncode == 0, done.stderr
        lines = [line.split() for line in done.stdout.splitlines()]
        assert ["app.shop.port", "81", "apps/shop.yml"] in lines
        assert ["app.shop.secrets.KEY", "******", "(env", "GC_TEST_SECRET)", "apps/shop.yml"] in (
            lines
        )
        assert SECRET not in done.stdout + done.stderr
    done = checkout.run(
        "playbooks/settings.py", "--data", "settings.key=app.shop.port", "--data",
        "settings.json=true", "--data", "app.shop.port=82",
    )  # fmt: skip
    assert json.loads(done.stdout) == {"web1": {"app.shop.port": {"value": 82, "layer": "--data"}}}
    assert checkout.listener.connections == 0


def test_a_variable_on_the_command_line_is_what_is_written(checkout: Checkout) -> None:
    values = {"A": "3.10", "B": "0123", "C": "+49", "D": "True", "E": "8", "F": "true"}
    data = [f"--data=app.shop.env.{name}={value}" for name, value in values.items()]
    done = checkout.run(
        "playbooks/settings.py", "--data=settings.key=app.shop.env", "--data=settings.json=true",
        *data,
    )  # fmt: skip
    shown = json.loads(done.stdout)["web1"]
    shown_values = {key.removeprefix("app.shop.env."): row["value"] for key, row in shown.items()}
    assert shown_values == {**values, "E": 8, "F": True}


UNSET = """\
domains: [shop.test]
secrets: {KEY: {env: GC_UNSET_KEY}, OWN: {file: gone.txt}, ASK: {command: exit 3}}
nginx: {locations: {/admin: {basic_auth: {ann: {env: GC_UNSET_PASSWORD}}}}}
tls: {certificate: {type: own, chain: chain.pem, key: {env: GC_UNSET_TLS}}}
"""
RENDER = {"image.py", "release.py", "remove.py", "rotate.py", "swarm.py"}
"""The playbooks that write secrets on hosts, or name a release, whose name depends on them."""


def test_only_what_renders_secrets_needs_them(checkout: Checkout) -> None:
    checkout.app(more=UNSET)
    checkout.write("chain.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    names = {file.name for file in (ROOT / "playbooks").glob("*.py")}
    others = [f"playbooks/{name}" for name in sorted(names - RENDER - {"client.py", "settings.py"})]
    for asked in [["exec", "uptime"], others]:
        checkout.listener.connections = 0
        done = checkout.run(*asked, "-y", "--data", "app=shop")
        assert "GC_UNSET" not in done.stderr
        assert checkout.listener.connections > 0, done.stderr
    checkout.listener.connections = 0
    assert checkout.run("playbooks/settings.py").returncode == 0
    # What several files need adds up, wherever they are called from.
    report = checkout.refused("playbooks/status.py", "./deploy.py", "-y")
    assert "GC_UNSET_KEY" in report and "gone.txt" in report and "exit code 3" in report
    assert "GC_UNSET_PASSWORD" in report and "GC_UNSET_TLS" in report
    assert "GC_UNSET_KEY" in checkout.refused("playbooks/release.py", "-y")
    # Whoever takes an application off renders the sites of the others, and releases none.
    report = checkout.refused("playbooks/remove.py", "-y", "--data", "app=old")
    assert "GC_UNSET_KEY" not in report
    assert "GC_UNSET_PASSWORD" in report and "GC_UNSET_TLS" in report


def test_a_secret_without_a_source_is_an_error_for_every_run(checkout: Checkout) -> None:
    checkout.app(more="domains: [shop.test]\nsecrets: {KEY: {env: A, file: b}}")
    report = checkout.refused("playbooks/status.py", "-y")
    assert "app.shop.secrets.KEY\n      expected exactly one of: env" in report
