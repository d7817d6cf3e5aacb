"""Applications that nobody here wrote, from the package index, by their manifests alone."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
import requests
import yaml

from tests.e2e.harness import ROOT, LabHost, converged, pyinfra

NAMES = ["bugsink", "burr", "ihatemoney"]
DATA = {"apps": NAMES, **{f"app.{name}.release.check_window": 1 for name in NAMES}}


@pytest.fixture(scope="module")
def real() -> Iterator[LabHost]:
    with converged("e2e-real", "trixie", DATA) as host:
        yield host


def log_line(host: LabHost, app: str, request: str) -> str:
    """What nginx logged about a request."""
    return host.out(f"grep request_id={request} /var/log/nginx/{app}.access.log")


@pytest.mark.parametrize("name", NAMES)
def test_the_manifest_is_short_and_its_packages_are_locked(name: str) -> None:
    path = ROOT / "apps" / f"{name}.yml"
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 40
    lock = ROOT / yaml.safe_load(text)["lock"]
    assert "--hash=sha256:" in lock.read_text(encoding="utf-8")


def test_the_second_run_changes_nothing(real: LabHost) -> None:
    again = pyinfra(real.name, data=DATA)
    assert again.status == 0, again.stderr
    assert again.changed == []


def test_flask_with_migrations(real: LabHost) -> None:
    page = real.get("/", "ihatemoney.test")
    assert "<title>I Hate Money" in page.text
    # Through the interface into SQLite and back, by whichever worker.
    url, headers = f"http://{real.address}/api/projects", {"Host": "ihatemoney.test"}
    name = f"holidays-{time.time_ns()}"
    project = {
        "name": "Holidays",
        "id": name,
        "password": "sea-and-sun-9",
        "contact_email": "somebody@example.org",
        "default_currency": "XXX",
    }
    made = requests.post(url, json=project, headers=headers, timeout=10)
    assert made.status_code == 201, made.text
    for _ in range(6):
        answer = requests.get(
            f"{url}/{name}", auth=(name, "sea-and-sun-9"), headers=headers, timeout=10
        )
        assert answer.json()["name"] == "Holidays"
    # The hook migrated, before there were workers that would all have done it.
    database = "/srv/ihatemoney/shared/data/ihatemoney.db"
    made_by = real.out(f"stat -c %W {database}")
    started = real.out(f"systemctl show -P ExecMainStartTimestamp {main_unit(real)}")
    assert int(made_by) <= int(real.out(f"date -d '{started}' +%s"))


def main_unit(host: LabHost) -> str:
    return f"ihatemoney@{host.live('ihatemoney')}.service"


def test_fastapi_with_its_own_front_end(real: LabHost) -> None:
    page = real.get("/", "burr.test")
    assert "<title>Burr</title>" in page.text
    [script] = re.findall(r'src="(/static/js/main\.[0-9a-f]+\.js)"', page.text)
    assert real.get(script, "burr.test").status_code == 200
    projects = real.get("/api/v0/projects", "burr.test")
    assert projects.headers["Content-Type"] == "application/json"
    assert isinstance(projects.json(), list)
    main = real.out(f"systemctl show -P MainPID burr@{real.live('burr')}.service")
    assert real.out(f"pgrep -c -P {main}") == "2"


def test_django_with_migrations_static_files_and_a_worker(real: LabHost) -> None:
    page = real.get("/accounts/login/", "bugsink.test")
    assert "Log in" in page.text
    sheet = re.findall(r'href="(/static/[^"]+\.css)"', page.text)[0]
    styles = real.get(sheet, "bugsink.test")
    assert styles.status_code == 200
    assert styles.headers["Content-Type"] == "text/css"
    line = log_line(real, "bugsink", styles.headers["X-Request-ID"])
    assert 'upstream="-"' in line, "nginx did not serve it by itself"
    line = log_line(real, "bugsink", page.headers["X-Request-ID"])
    assert 'upstream="unix:' in line
    unit = f"bugsink.snappea@{real.live('bugsink')}.1.service"
    assert real.out(f"systemctl is-active {unit}") == "active"
    assert real.out(f"systemctl show -P NRestarts {unit}") == "0"
