"""Why an application ended, in its own words."""

from __future__ import annotations

import subprocess

import pytest

from groundcrew.remote import unit_health
from groundcrew.remote.unit_health import own_words

GUNICORN = """\
[2026-01-01 10:00:00 +0000] [7] [ERROR] Exception in worker process
Traceback (most recent call last):
  File "/srv/shop/releases/x/app/shop.py", line 3, in <module>
    import flask
ModuleNotFoundError: No module named 'flask'
[2026-01-01 10:00:00 +0000] [7] [INFO] Worker exiting (pid: 7)
shop@x.service: Main process exited, code=exited, status=3/NOTIMPLEMENTED
"""
HALT = """\
Traceback (most recent call last):
  File "arbiter.py", line 1, in halt
SystemExit: 3

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "arbiter.py", line 2, in stop
gunicorn.errors.HaltServer: <HaltServer 'Worker failed to boot.' 3>
"""
CHAINED = """\
Traceback (most recent call last):
  File "a.py", line 1, in <module>
KeyError: 'DATABASE_URL'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "b.py", line 2, in <module>
django.core.exceptions.ImproperlyConfigured: DATABASE_URL is not set
"""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (GUNICORN, "ModuleNotFoundError: No module named 'flask'"),
        (CHAINED, "django.core.exceptions.ImproperlyConfigured: DATABASE_URL is not set"),
        (GUNICORN + HALT, "ModuleNotFoundError: No module named 'flask'"),
        ("Started\nFailed to find attribute 'application' in 'shop'.\nWorker failed to boot",
         "Failed to find attribute 'application' in 'shop'."),
        ('ERROR:    Error loading ASGI app. Could not import module "shop".\nStopped',
         'ERROR:    Error loading ASGI app. Could not import module "shop".'),
        ('Error loading ASGI app. Could not import module "shop".',
         'Error loading ASGI app. Could not import module "shop".'),
        ("--- no python application found, check your startup logs ---",
         "--- no python application found, check your startup logs ---"),
        ("sh: 1: nowhere: not found", "sh: 1: nowhere: not found"),
        ("x.service: A process of this unit has been killed by the OOM killer.",
         "it was killed: it needs more memory than `limits.memory_max` allows or the host has"),
        ("Failed to find attribute 'application' in 'shop'.\nTraceback (most recent call last):\n"
         '  File "arbiter.py", line 1\nshop@x.service: Killing process 7 (gunicorn).\n'
         "gunicorn.errors.HaltServer: <HaltServer 'App failed to load.' 4>",
         "Failed to find attribute 'application' in 'shop'."),
        # Lines of other processes stand between those of a traceback.
        (GUNICORN + HALT.replace("gunicorn.errors", "\nNo module named 'flask'\n[2026-01-01 10:00] "
         "[7] [INFO] Worker exiting\nERROR:    Exception in ASGI application\ngunicorn.errors"),
         "ModuleNotFoundError: No module named 'flask'"),
        ("listening on 8000", None),
        ("Traceback (most recent call last):\n  File", None),
        ("", None),
    ],
)  # fmt: skip
def test_own_words(text: str, words: str | None) -> None:
    assert own_words(text) == words


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ("ActiveState=inactive\nSubState=dead\nResult=success\nJob=71", None),
        ("ActiveState=inactive\nSubState=dead\nResult=success", "unit a.service is inactive"),
        (
            "ActiveState=failed\nSubState=failed\nResult=exit-code\nJob=71",
            "unit a.service is failed",
        ),
        ("ActiveState=activating\nSubState=auto-restart\nResult=exit-code", "has died (exit-code)"),
        ("ActiveState=active\nSubState=running\nNRestarts=2\nResult=success", "restarted 2 times"),
        ("ActiveState=active\nSubState=running\nNRestarts=0\nResult=success", None),
    ],
)
def test_a_unit_that_will_not_become_healthy(
    monkeypatch: pytest.MonkeyPatch, state: str, told: str | None
) -> None:
    """One whose start waits for its turn may."""
    done = subprocess.CompletedProcess[str]([], 0, f"Id=a.service\n{state}\n", "")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)
    reason = unit_health.trouble(["a.service"])
    assert (told in reason) if told and reason else (reason is told)
