"""Applications of one host share domains by prefix, or not at all."""

from __future__ import annotations

import pytest

from groundcrew.manifest.paths import AppPaths
from groundcrew.manifest.server import GunicornServer
from groundcrew.manifest.uvicorn import UvicornServer
from groundcrew.roles import releases
from groundcrew.roles.gunicorn import Gunicorn
from groundcrew.roles.uvicorn import Uvicorn
from tests.unit.project import Project

PATHS = AppPaths("shop")
MANIFEST = "source: {directory: src}\nentry: a:b\n"


def both(project: Project, shop: str, blog: str) -> None:
    project.app(text=f"{MANIFEST}{shop}\n")
    project.app("blog", text=f"{MANIFEST}{blog}\n")


@pytest.mark.parametrize(
    ("shop", "blog"),
    [
        ("domains: [a.test, b.test]", "domains: [b.test, a.test]\nprefix: /blog"),
        ("domains: [a.test]\nprefix: /shop", "domains: [a.test]\nprefix: /shop/blog"),
        ("prefix: /shop", "prefix: /blog"),
        ("domains: [a.test]", "domains: [a.test]\nport: 8080"),
    ],
)
def test_what_goes_together(project: Project, shop: str, blog: str) -> None:
    both(project, shop, blog)
    assert sorted(project.settings().app) == ["blog", "shop"]


@pytest.mark.parametrize(
    ("shop", "blog", "key", "message"),
    [
        (
            "domains: [a.test]\nprefix: /x",
            "domains: [a.test]\nprefix: /x",
            "app.blog.domains",
            'domain "a.test" on port 80 at /x belongs to application "shop"',
        ),
        (
            "domains: [a.test]",
            "domains: [a.test, b.test]\nprefix: /blog",
            "app.blog.domains",
            'domain "a.test" on port 80 is shared with application "shop": both need the same '
            "domains",
        ),
        (
            "prefix: /shop",
            "domains: [a.test]\nprefix: /blog",
            "app.shop.port",
            'without domains it takes every name on port 80, which application "blog" uses too; '
            "give it domains or another port",
        ),
    ],
)
def test_what_does_not(project: Project, shop: str, blog: str, key: str, message: str) -> None:
    both(project, shop, blog)
    _, name, text = project.error()
    assert (name, text) == (key, message)


def test_passwords_are_read_and_never_shown(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = "nginx: {locations: {/in/: {basic_auth: {al: WHAT}}}}"
    project.app(text=f"{MANIFEST}{rules.replace('WHAT', '{env: SITE_PASSWORD}')}\n")
    place = "app.shop.nginx.locations./in/.basic_auth.al"
    assert project.error() == (
        "apps/shop.yml",
        place,
        "required environment variable SITE_PASSWORD is not set",
    )
    monkeypatch.setenv("SITE_PASSWORD", "a fine secret")
    [password] = project.load()["web1"].passwords["shop"].values()
    assert password.get_secret_value() == "a fine secret"
    project.app(text=f"{MANIFEST}{rules.replace('WHAT', '{generate: {}}')}\n")
    assert (
        project.error()[2]
        == "nobody would know a generated password: use env, file, command or stored"
    )
    project.app(text=f"{MANIFEST}{rules.replace('WHAT', 'hunter2')}\n")
    assert "hunter2" not in project.error()[2]


def test_servers_learn_their_prefix() -> None:
    wsgi = Gunicorn(GunicornServer(), prefix="/shop").files(PATHS, "r1")["gunicorn.conf.py"]
    assert 'raw_env = ["SCRIPT_NAME=/shop"]' in wsgi
    settings = GunicornServer(worker_class="uvicorn")
    asgi = Gunicorn(settings, prefix="/shop").files(PATHS, "r1")["gunicorn.conf.py"]
    assert 'worker_class = below("/shop")' in asgi
    assert "SCRIPT_NAME" not in asgi
    for text in (wsgi, asgi):
        compile(text, "gunicorn.conf.py", "exec")
    alone = Uvicorn(UvicornServer(type="uvicorn"), prefix="/shop", entry="shop:make()")
    [(name, module)] = alone.files(PATHS, "r1").items()
    assert name == "groundcrew_below_prefix.py"
    assert 'import_from_string("shop:make")()' in module
    assert releases.server_process(GunicornServer(), prefix="/x") == Gunicorn(
        GunicornServer(), prefix="/x"
    )
