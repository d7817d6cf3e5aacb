"""Examples with their databases are backed up, their host is lost, and a bare one takes over."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.e2e.five import DATA, GROUPS, inventory_of
from tests.e2e.harness import LabHost, Run, good, inside, pyinfra
from tests.e2e.test_backup import KEY, STORE, store, wait_for_unit  # noqa: F401 - a fixture

SQL = "mariadb --default-character-set=utf8mb4 --batch agentchat_like_database"
ROWS = {
    "agentchat-like": f"{SQL} -e 'SELECT * FROM tool ORDER BY id; CHECKSUM TABLE tool'",
    "opendify-like": (
        "python3 -c 'import sqlite3, glob; c = sqlite3.connect(glob.glob("
        '"/srv/opendify-like/shared/data/*.db")[0]); '
        'print(c.execute("SELECT * FROM mapping ORDER BY 1").fetchall())\''
    ),
    "legacypi-like": (
        "for table in pi_article auth_permission django_migrations; do "
        "runuser -u postgres -- psql -qAt legacypi_like_database "
        '-c "SELECT * FROM $table ORDER BY id"; done; '
        "cd /srv/legacypi-like/shared/media && find . -type f | sort | xargs sha256sum"
    ),
}
"""What prints everything that an application has stored: in MariaDB, in SQLite, and in PostgreSQL
and files."""

RESTORED = ["agentchat-like", "opendify-like"]
if os.environ.get("GROUNDCREW_FULL"):
    # Its uWSGI is compiled on the host.
    RESTORED.append("legacypi-like")


PARTS = {"agentchat-like": [{"part": "mariadb"}, {"part": "files"}]}


def stored(host: LabHost) -> dict[str, str]:
    """Checksums of what the applications have stored."""
    return {
        name: hashlib.sha256(inside(host, ROWS[name]).encode()).hexdigest() for name in RESTORED
    }


def write(host: LabHost) -> None:
    """Rows and files that were not there after the first run."""
    many = "INSERT INTO tool (name) SELECT CONCAT('tool ', seq, ' ä') FROM seq_1_to_500"
    inside(host, f'{SQL} -e "{many}"')
    body = {"model": "gpt-4", "messages": [{"content": "hello"}], "conversation_id": "restored"}
    assert post(host, "opendify-like", "/v1/chat/completions", json=body).status_code == 200
    if "legacypi-like" in RESTORED:
        made = post(host, "legacypi-like", "/api/articles/", json={"title": "an article ä"})
        assert made.status_code == 201, made.text
        assert post(host, "legacypi-like", "/api/media/", data="an upload").status_code < 300


def domain(app: str) -> str:
    return f"{app.removesuffix('-like')}.test"


def post(host: LabHost, app: str, path: str, **options: Any) -> requests.Response:
    headers = {"Host": domain(app)}
    return requests.post(f"http://{host.address}{path}", headers=headers, timeout=20, **options)


@pytest.fixture(scope="module")
def targets(store: LabHost) -> dict[str, Any]:  # noqa: F811
    folder: Path = store.folder  # type: ignore[attr-defined]
    key = inside(store, "cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub").strip()
    return {
        "backup.key.file": str(folder / "key"),
        "backup.targets": {
            "store": {
                "type": "sftp",
                "host": store.address,
                "user": "keeper",
                "path": STORE,
                "host_keys": [key],
                "identity": {"file": str(folder / "identity")},
            }
        },
    }


@pytest.fixture(scope="module")
def lost(
    examples: LabHost, examples_inventory: Path, targets: dict[str, Any]
) -> tuple[dict[str, str], dict[str, Any]]:
    """What a host had when it was lost, and the drill that its first backup began."""
    data = {**DATA, **targets}
    good(pyinfra(examples.name, data=data, inventory=examples_inventory))
    wait_for_unit(examples, "drill")
    write(examples)
    good(play(examples, examples_inventory, data, "backup"))
    drill = json.loads(inside(examples, "cat /var/lib/groundcrew/backups/state.json"))["drill"]
    rows = stored(examples)
    # It stays lost: no test after this one needs it.
    examples.lose_power()
    return rows, drill


def play(
    host: LabHost, inventory: Path, data: dict[str, Any], name: str, *options: str, **more: Any
) -> Run:
    """Runs a playbook on one host."""
    return pyinfra(
        host.name,
        *options,
        data={**data, **more},
        inventory=inventory,
        playbook=f"playbooks/{name}.py",
    )


@pytest.fixture(scope="module")
def second(
    lost: tuple[dict[str, str], dict[str, Any]],
    targets: dict[str, Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[LabHost, float]]:
    """A bare host with some of the applications, restored as docs/backups.md says, and
    the seconds that it took."""
    host = LabHost("e2e-apps-new", "bookworm", group=GROUPS)
    host.up()
    inventory = inventory_of(tmp_path_factory.mktemp("second"), host.name)
    windows = {f"app.{name}.release.check_window": 1 for name in RESTORED}
    data: dict[str, Any] = {"apps": RESTORED, **windows, **targets}
    try:
        began = time.monotonic()
        good(pyinfra(host.name, data={**data, "prepare": "yes"}, inventory=inventory))
        for name in RESTORED:
            more = {"app": name, "restore": name, "of_host": "e2e-apps"}
            # Part by part, as if they came from two hosts; and all at once.
            for part in PARTS.get(name, [{}]):
                good(play(host, inventory, data, "restore", **more, **part))
        good(pyinfra(host.name, data=data, inventory=inventory))
        yield host, time.monotonic() - began
    finally:
        host.down()


def test_the_drill_starts_all_examples_on_their_restored_data(
    lost: tuple[dict[str, str], dict[str, Any]],
) -> None:
    _, drill = lost
    assert drill["problems"] == []
    assert set(drill["apps"]) == set(DATA["apps"])
    for name, item in drill["apps"].items():
        assert item["started"]["release"], name
        assert 0 < item["rto"] < 600, name
    assert set(drill["sources"]) == {"mariadb", "postgresql", "redis"}


def test_a_bare_host_has_the_same_rows_and_files(
    lost: tuple[dict[str, str], dict[str, Any]], second: tuple[LabHost, float]
) -> None:
    before, _ = lost
    host, seconds = second
    assert stored(host) == before
    print(f"from a bare host until they served their data: {seconds:.0f} s")


def test_the_applications_answer_from_what_was_restored(
    second: tuple[LabHost, float],
) -> None:
    host, _ = second
    tools = host.get("/api/v1/tools", domain("agentchat-like")).json()
    assert len(tools) == 505
    assert "tool 500 ä" in tools
    if "legacypi-like" in RESTORED:
        articles = host.get("/api/articles/", domain("legacypi-like")).json()["articles"]
        assert "an article ä" in articles
    write(host)


def test_what_was_restored_is_backed_up_and_drilled_there(
    second: tuple[LabHost, float],
) -> None:
    host, _ = second
    wait_for_unit(host, "drill")
    drill = json.loads(inside(host, "cat /var/lib/groundcrew/backups/state.json"))["drill"]
    assert drill["problems"] == []
    assert set(drill["apps"]) == set(RESTORED)
