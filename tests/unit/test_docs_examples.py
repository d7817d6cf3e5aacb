"""What the pages about sites and HTTPS tell people to write is taken."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from groundcrew.apps.model import AppSettings
from groundcrew.settings.yaml import parse
from roles.settings import HostSettings

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```(yaml|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BASE = {"source": {"directory": "src"}, "entry": "shop:app", "domains": ["shop.example.org"]}
SELF_SIGNED = {"certificate": {"type": "self-signed"}}


def examples(kind: str) -> list[Any]:
    return [
        pytest.param(match[2], id=f"{page}-{number}")
        for page in ("sites", "tls")
        for number, match in enumerate(
            BLOCK.finditer((ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")), start=1
        )
        if match[1] == kind
    ]


@pytest.mark.parametrize("text", examples("yaml"))
def test_a_manifest(text: str) -> None:
    given = parse(text)
    assert isinstance(given, Mapping)
    values = {**BASE, **given}
    if "tls" in given:
        values["tls"] = {**SELF_SIGNED, **given["tls"]}
    app = AppSettings.model_validate(values)
    assert app.model_fields_set >= given.keys()


@pytest.mark.parametrize("text", examples("python"))
def test_group_data(text: str) -> None:
    given = {}
    for statement in ast.parse(text).body:
        assert isinstance(statement, ast.Assign)
        [name] = statement.targets
        assert isinstance(name, ast.Name)
        given[name.id] = ast.literal_eval(statement.value)
    assert HostSettings.model_validate(given).model_fields_set == given.keys()


def test_every_key_of_the_front_has_an_example() -> None:
    text = "".join(item.values[0] for kind in ("yaml", "python") for item in examples(kind))
    for key in (
        "forwarded_proto", "trusted_proxies", "proxy_protocol", "balancer_check", "redirects",
        "private", "immutable", "static",
    ):  # fmt: skip
        assert re.search(rf'\b"?{key}"?:', text), key
