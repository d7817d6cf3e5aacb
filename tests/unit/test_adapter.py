"""Parts of pyinfra and paramiko are replaced in one package only."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ADAPTER = ROOT / "groundcrew" / "adapter"
PACKAGES = ("paramiko", "pyinfra", "pyinfra_cli", "gevent")
FOLDERS = ("groundcrew", "roles", "playbooks", "inventory", "apps", "group_data")
SETTERS = ("setattr", "delattr")


def replacements(text: str) -> Iterator[str]:
    """Statements that replace parts of these packages, and imports of what does it."""
    tree = ast.parse(text)
    theirs: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for item in node.names:
                if item.name.split(".")[0] in PACKAGES:
                    theirs.add(item.asname or item.name.split(".")[0])
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if module.split(".")[0] in PACKAGES:
                names = {item.asname or item.name for item in node.names}
                # Ways that pyinfra provides: the configuration of a run, and a host's data.
                theirs |= names - {"config", "host"} if module == "pyinfra" else names
            patching = {f"{module}.{item.name}" for item in node.names} | {module}
            if "groundcrew.adapter.patching" in patching:
                yield ast.unparse(node)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Subscript):
            changed = isinstance(node.ctx, ast.Store | ast.Del) and root(node) in theirs
        elif isinstance(node, ast.Call):
            setter = isinstance(node.func, ast.Name) and node.func.id in SETTERS
            changed = setter and root(node.args[0]) in theirs
        else:
            continue
        if changed:
            yield ast.unparse(node)


def root(node: ast.expr) -> str | None:
    """The name that an expression begins with."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else None


def test_no_other_module_replaces_parts_of_pyinfra_and_paramiko() -> None:
    # Locust runs its file in a process of its own, without pyinfra.
    paths = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    changed = {
        str(path.relative_to(ROOT)): list(replacements(path.read_text()))
        for path in [*paths, *ROOT.glob("*.py")]
        if not path.is_relative_to(ADAPTER) and path.name != "locustfile.py"
    }
    assert len(changed) > 300
    assert {path: texts for path, texts in changed.items() if texts} == {}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("from paramiko import Transport\nTransport.open_session = f", "Transport.open_session"),
        ("import paramiko.client as c\nc.SSHClient.connect = f", "c.SSHClient.connect"),
        ("import pyinfra.api\npyinfra.api.State.init = f", "pyinfra.api.State.init"),
        ("from paramiko import RSAKey\nRSAKey.HASHES['a'] = f", "RSAKey.HASHES['a']"),
        ("from paramiko import RSAKey\ndel RSAKey.HASHES['a']", "RSAKey.HASHES['a']"),
        ("import gevent\ngevent.get_hub().NOT_ERROR += (E,)", "gevent.get_hub().NOT_ERROR"),
        (
            "from pyinfra import progress\ndef g():\n    setattr(progress, 'a', f)",
            "setattr(progress, 'a', f)",
        ),
        (
            "from groundcrew.adapter.patching import replace",
            "from groundcrew.adapter.patching import replace",
        ),
        ("from groundcrew.adapter import patching", "from groundcrew.adapter import patching"),
    ],
)
def test_what_counts_as_a_replacement(text: str, told: str) -> None:
    assert list(replacements(text)) == [told]


@pytest.mark.parametrize(
    "text",
    [
        "from pyinfra import config\nconfig.SUDO = True",
        "from pyinfra import host\nhost.connector_data['a'] = 1",
        "from paramiko import Transport\nclient = Transport(sock)\nclient.banner_timeout = 3",
    ],
)
def test_what_does_not(text: str) -> None:
    assert list(replacements(text)) == []
