"""Host names and entries that are nearly right are refused with what to write."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.project import Project

MANIFEST = "source: {directory: src}\nentry: shop:app\n"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("Shop.Test", '"Shop.Test": write "shop.test" (in lower case)'),
        ("müller.test", '"müller.test": write "xn--mller-kva.test" (as the DNS has it)'),
        ("*.Müller.test", 'write "*.xn--mller-kva.test" (in lower case, as the DNS has it)'),
        ("shop.test:8080", 'write "shop.test" (the port is a key of its own, `port: 8080`)'),
        ("https://shop.test/", 'write "shop.test" (without scheme and path)'),
        ("shop.test/", 'write "shop.test" (without scheme and path)'),
        ("shop.test.", 'write "shop.test" (without a dot at its end)'),
        (".shop.test", 'write "*.shop.test" (`*.` stands for every name below it)'),
        ("my_shop.test", 'an underscore, which no certificate can be for; write "my-shop.test"'),
        ("www.*.test", "`*` stands for the first part of a name, and all of it"),
        (f"{'a' * 64}.test", "64 characters, 63 are allowed between two dots"),
        ("shop..test", "expected a host name in lower case"),
    ],
)
def test_a_domain(tmp_path: Path, given: str, message: str) -> None:
    project = Project(tmp_path)
    project.app(text=f"{MANIFEST}domains: ['{given}']\n")
    layer, key, text = project.error()
    assert (layer, key) == ("apps/shop.yml", "app.shop.domains.0")
    assert message in text


@pytest.mark.parametrize("given", ["shop.test", "*.shop.test", "xn--mller-kva.test", "192.0.2.7"])
def test_what_is_a_domain(tmp_path: Path, given: str) -> None:
    project = Project(tmp_path)
    project.app(text=f"{MANIFEST}domains: ['{given}']\n")
    assert project.settings().app["shop"].domains == (given,)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("shop/main.py:app", 'a module is written with dots and without `.py`: "shop.main:app"'),
        ("shop.main", 'a module alone: write "shop.main:NAME"'),
        ("main.py", 'a module alone: write "main:NAME"'),
        ("my-shop:app", 'no "-" in its name: rename it, to "my_shop:app"'),
        ("shop:app(1)", "expected MODULE:OBJECT, such as shop.wsgi:application"),
    ],
)
def test_an_entry(tmp_path: Path, given: str, message: str) -> None:
    project = Project(tmp_path)
    project.app(text=f"source: {{directory: src}}\nentry: '{given}'\n")
    layer, key, text = project.error()
    assert (layer, key) == ("apps/shop.yml", "app.shop.entry")
    assert message in text
