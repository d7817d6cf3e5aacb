"""What surrounds the examples of manifests: most are a few lines of one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from groundcrew.roles.base.apt_sources import ARMOR
from groundcrew.settings.yaml import parse
from tests.documented.pages import Block, blocks
from tests.unit.certificates import certificate, new_key, pem

WHOLE = {"README-2"}
"""Manifests that need nothing besides."""

BUILT = {"build": "none"}
"""The front end is in the source already."""

AROUND: dict[str, dict[str, Any]] = {
    "sites-1": {"frontend": BUILT},
    "sites-11": {"port": 8081},
    "sources-2": {"health": {"path": "/api/health"}},
    "tls-3": {"tls": {"certificate": {"type": "self-signed"}}},
    # A CA that nobody's browser knows.
    "tls-4": {"tls": {"certificate": {"ca_file": "certs/ca.pem"}}},
}
"""What an example needs besides the minimal manifest. Its own keys come on top."""

BESIDE = {"sites-11": {"domains": ["example.com"], "port": 8081}}
"""The other application that an example speaks of."""

PROVIDED = "databases and caches: tests/e2e/test_needs.py deploys them"
NOT_DEPLOYED = {
    "databases-1": PROVIDED,
    "databases-4": PROVIDED,
    "databases-5": "a database that other people run",
    "backups-2": "a host with a target for backups: tests/e2e/test_backup.py",
    "loadtests-2": "load: tests/e2e/test_loadtest.py sends it",
    "backups-5": "a command that the application does not have",
    "README-2": "deployed before all others, by itself",
    "sources-2": "Node.js and npm: tests/e2e/test_sources.py builds front ends",
    "tls-1": "a certificate by Let's Encrypt, for a name that leads to the host",
    "tls-5": "records that a DNS provider keeps",
    **dict.fromkeys(
        (
            "from-systemd-1",
            "guides-celery-1",
            "guides-django-1",
            "guides-django-2",
            "guides-fastapi-1",
            "guides-flask-1",
            "guides-frontends-1",
            "guides-monorepos-1",
            "guides-monorepos-2",
            "guides-monorepos-3",
            "guides-websockets-1",
        ),
        "a source of its own: tests/e2e/test_examples.py deploys one of each framework",
    ),
    "tutorial-5": "tests/e2e/test_tutorial.py does what the page says",
    "tutorial-11": "the same",
}
"""Examples of manifests that no host gets, and why; their settings are checked all the same."""

VARIABLES = {
    "SHOP_DATABASE_URL": "sqlite:///srv/shop/shared/shop.db",
    "SHOP_REPORTS_URL": "postgresql://reports:a-password@db.example.org/reports",
    "INDEX_TOKEN": "a-token-of-this-test",
    "SHOP_API_KEY": "a-key-of-this-test",
    "BACKUP_KEY": "a-long-key-of-this-test",
    "CHAT_WEBHOOK": "https://chat.example.com/hooks/a-key-of-this-test",
    "DASHBOARDS_PASSWORD": "quilt-harbour-29",
    "HEARTBEAT_URL": "https://heartbeat.example.com/a-key-of-this-test",
    "MAIL_PASSWORD": "bodega-lattice-17",
    "OPS_PASSWORD": "kvetch-marzipan-41",
}
"""What the operator's environment has."""


OF_APPLICATIONS = {"guides-celery-2", "tutorial-2"}
"""Blocks of Python that belong to an application, not to a project."""


def is_default(block: Block) -> bool:
    """Whether a block of the generated reference shows a default."""
    return block.page == "settings" and block.above.startswith('<a id="')


def examples() -> list[Block]:
    """The blocks that are manifests, or lines of one; tests/unit/test_reference.py has those of the
    generated reference."""
    return [
        item
        for item in blocks()
        if item.language == "yaml" and item.page not in ("settings", "inventories")
    ]


def app_name(block: Block) -> str:
    """What the application of an example is called."""
    return f"doc-{block.id.lower()}"


def manifest(block: Block) -> dict[str, Any]:
    """An example, in the manifest that it belongs to."""
    given = parse(block.text, written="env")
    assert isinstance(given, Mapping), block.id
    if block.id in WHOLE:
        return dict(given)
    around = merged(minimal(app_name(block)), AROUND.get(block.id, {}))
    if "source" in given:
        # Of another kind, its keys are others.
        del around["source"]
    return merged(around, given)


def others(block: Block) -> dict[str, dict[str, Any]]:
    """Applications that an example needs beside its own, by name."""
    if block.id not in BESIDE:
        return {}
    name = f"{app_name(block)}-main"
    return {name: merged(minimal(name), BESIDE[block.id])}


def minimal(name: str) -> dict[str, Any]:
    """The least that serves."""
    return {
        "source": {"directory": "../shop"},
        "requirements": "requirements.txt",
        "entry": "shop.wsgi:application",
        "domains": [f"{name}.test"],
        "server": {"workers": 1},
        "release": {"check_window": 0, "drain": 0},
    }


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """One mapping over the other, block by block."""
    result = dict(below)
    for key, value in above.items():
        under = result.get(key)
        if isinstance(value, Mapping) and isinstance(under, Mapping):
            result[key] = merged(under, value)
        else:
            result[key] = value
    return result


def write_files(project: Path) -> None:
    """What the examples name on the operator's machine."""
    root, leaf = new_key(), new_key()
    names = ("shop.example.org", "www.shop.example.org")
    files = {
        "apps/shop/app.yaml.j2": "key: {{ secrets.API_KEY | tojson }}\n",
        "certs/ca.pem": certificate(root, issuer="root", subject="root"),
        "certs/shop.pem": certificate(leaf, *names, issuer="root", issuer_key=root),
        "certs/shop.key": pem(leaf),
        "keys/grafana.asc": f"{ARMOR}\n\nmQ==\n-----END PGP PUBLIC KEY BLOCK-----\n",
        "keys/mongodb.asc": f"{ARMOR}\n\nmQ==\n-----END PGP PUBLIC KEY BLOCK-----\n",
        "bin/dns-add": "#!/bin/sh\n",
        "bin/dns-remove": "#!/bin/sh\n",
    }
    sources = {
        "chat/backend/requirements.txt": "fastapi\n",
        "company/services/shop/requirements.txt": "fastapi\n",
        "hello/requirements.txt": "flask\n",
    }
    files |= {f"../{name}": text for name, text in sources.items()}
    for name, text in files.items():
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755 if path.parent.name == "bin" else 0o600)
