"""gunicorn's configuration file, read as gunicorn reads it."""

from __future__ import annotations

import os
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from groundcrew.manifest.paths import AppPaths
from groundcrew.manifest.server import GunicornServer
from groundcrew.roles.gunicorn import Gunicorn


def configuration(monkeypatch: pytest.MonkeyPatch, cpus: int, **server: Any) -> dict[str, Any]:
    """The values that the file has on a host with so many CPUs."""
    settings = GunicornServer.model_validate(server)
    [text] = Gunicorn(settings).files(AppPaths("shop"), "r1").values()
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cpus)), raising=False)
    values: dict[str, Any] = {}
    exec(text, values)  # it is Python
    return values


@pytest.mark.parametrize(
    ("cpus", "worker_class", "workers"),
    [
        (1, "sync", 3),
        (4, "sync", 9),
        (8, "sync", 17),
        (4, "gthread", 4),
        (4, "uvicorn", 4),
    ],
)
def test_workers_follow_the_cpus_of_the_host(
    monkeypatch: pytest.MonkeyPatch, cpus: int, worker_class: str, workers: int
) -> None:
    assert configuration(monkeypatch, cpus, worker_class=worker_class)["workers"] == workers


def test_a_number_of_workers_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    assert configuration(monkeypatch, 8, workers=4)["workers"] == 4


def test_quotes_percent_signs_and_other_scripts_survive(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = "%(h)s \"%(r)s\" '\\' %(D)sμs {{ x }}"
    values = configuration(monkeypatch, 1, access_log=True, access_log_format=wanted)
    assert values["access_log_format"] == wanted
    assert values["accesslog"] == "-"


def test_settings_without_a_key_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("gunicorn.config")
    names = [SimpleNamespace(name="statsd_host"), SimpleNamespace(name="capture_output")]
    monkeypatch.setattr(module, "KNOWN_SETTINGS", names, raising=False)
    monkeypatch.setitem(sys.modules, "gunicorn", ModuleType("gunicorn"))
    monkeypatch.setitem(sys.modules, "gunicorn.config", module)
    options = {"statsd_host": "localhost:8125", "capture_output": True}
    values = configuration(monkeypatch, 1, options=options, tmp_upload_dir="/var/tmp/up")
    assert values["statsd_host"] == "localhost:8125"
    assert values["capture_output"] is True
    assert values["tmp_upload_dir"] == "/var/tmp/up"
    with pytest.raises(ValueError, match="gunicorn knows no statds_host"):
        configuration(monkeypatch, 1, options={"statds_host": "x"})
    with pytest.raises(ValueError, match="bind is set by groundcrew"):
        GunicornServer.model_validate({"options": {"bind": "0.0.0.0:80"}})
