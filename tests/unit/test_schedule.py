"""When timers run: systemd's calendar form and nothing else, and what a line of cron is in it."""

from __future__ import annotations

import pytest

from groundcrew.manifest.schedule import EXPECTED, is_calendar
from tests.unit.project import Project

# As `systemd-analyze calendar` of systemd 252 says.
GOOD = """\
daily|DAILY|hourly UTC|minutely|Mon|sunday|mon 1:00|Mon..Fri 02:30|Mon-Fri 9:00|Mon..Fri,Sun 1:0
*:0/15|*:*|*:00,30|0/2:00|001:00|12:30:10.5|*:0:0/59.5|*:0:1..2.5|*:0..10/20|0/23:00|*:58/1
*-*-01 04:00|10-15|2026-01-01|26-1-1|2026/1-1-1|*-1..3-1,15 12,13:00|*-*-1..7|*-*-1/30|Mon 10-1
*-*~03|*-*~28|*-02~07/1|*-02~06/5|1:00 UTC|1:00 utc|02:30 Europe/Berlin|Mon UTC|2026-02-30|*:7..7
"""
BAD = """\
0 3 * * *|*/5 * * * *|*:*/5|*/2:00|*-*-*/2|*:0/60|*:59/1|*:0/0|5..1:00|Mon 25:00|24:00|00:00:60|12
*|1:00 Mon|Sat..Mon|Mon/2|Tues 1:00|Mon daily|daily 1:00|UTC|*-0-1|*-*-32|*-*~29|*-02~05/5|1969-1-1
1:00 Foo/Bar|1:2:3:4|2026-1|1::0|1:|:30|reboot|*-*-1 1:00 x|*:1.5|*:0:59.9999999|*:0:7..7|Mon,,Tue
"""


def listed(text: str) -> list[str]:
    return [item for line in text.splitlines() for item in line.split("|")]


@pytest.mark.parametrize("text", listed(GOOD))
def test_what_systemd_takes_is_taken(text: str) -> None:
    assert is_calendar(text)


@pytest.mark.parametrize("text", listed(BAD))
def test_what_systemd_refuses_is_refused(text: str) -> None:
    assert not is_calendar(text)


@pytest.mark.parametrize(
    ("cron", "wanted"),
    [
        ("*/5 * * * *", "*:0/5"),
        ("0 3 * * *", "03:00"),
        ("30 2 * * 1-5", "Mon..Fri 02:30"),
        ("15 4 1,15 * *", "*-*-1,15 04:15"),
        ("0 */6 * * *", "0/6:00"),
        ("0 9-17/2 * * mon-fri", "Mon..Fri 9..17/2:00"),
        ("0 0 * * 6,0", "Sat,Sun 00:00"),
        ("0 0 * * 5-7", "Fri..Sun 00:00"),
        ("0 0 * * */2", "Tue,Thu,Sat,Sun 00:00"),
        ("0 0 1 jan-mar *", "*-1..3-1 00:00"),
        ("5/10 * * * *", "*:5..59/10"),
        ("@daily", "daily"),
        ("@midnight", "daily"),
    ],
)
def test_a_line_of_cron_is_told_in_systemds_form(project: Project, cron: str, wanted: str) -> None:
    project.app(more=f'timers: {{nightly: {{command: "true", schedule: "{cron}"}}}}\n')
    assert project.error() == (
        "apps/shop.yml", "app.shop.timers.nightly.schedule",
        f"this is cron's form: write `{wanted}`",
    )  # fmt: skip
    assert is_calendar(wanted)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("0 0 1 * 1", "days of the month together with days of the week need two timers"),
        ("@reboot", "what runs from the start on is a worker"),
        ("99 0 * * *", EXPECTED),
        ("a b c d e", EXPECTED),
        ("often", EXPECTED),
        ("", EXPECTED),
        ("daily\\nOnBootSec=1", "expected one line"),
    ],
)
def test_other_schedules_get_the_form(project: Project, written: str, message: str) -> None:
    project.app(more=f'timers: {{nightly: {{command: "true", schedule: "{written}"}}}}\n')
    layer, key, told = project.error()
    assert (layer, key) == ("apps/shop.yml", "app.shop.timers.nightly.schedule")
    assert message in told


@pytest.mark.parametrize(
    ("server", "name"),
    [
        ("gunicorn", "GUNICORN_CMD_ARGS"),
        ("uvicorn", "UVICORN_WORKERS"),
        ("uwsgi", "UWSGI_PROCESSES"),
    ],
)
@pytest.mark.parametrize(("block", "value"), [("env", "x"), ("secrets", "{env: PATH}")])
def test_variables_of_the_server_are_settings_of_it(
    project: Project, server: str, name: str, block: str, value: str
) -> None:
    project.app(more=f"server: {{type: {server}}}\n{block}: {{{name}: {value}}}\n")
    assert project.error() == (
        "apps/shop.yml", f"app.shop.{block}.{name}",
        f"{server} reads settings from it, which would override `server`: set them there",
    )  # fmt: skip


def test_variables_of_another_server_are_the_applications(project: Project) -> None:
    project.app(more="env: {UVICORN_WORKERS: 2, UWSGI_X: 1, GUNICORN_CMD: x}\n")
    project.load()


@pytest.mark.parametrize(
    ("more", "key", "message"),
    [
        ("build_secrets: {PATH: {env: PATH}}", "build_secrets.PATH", "a PATH of their own; choose"),
        (
            "build_secrets: {A: {generate: {}}}",
            "build_secrets.A",
            "know a generated value",
        ),
        ("build_secrets: {A: {env: GC_NONE}}", "build_secrets.A", "GC_NONE is not set"),
        ("env: {A: x}\nbuild_secrets: {A: {env: PATH}}", "build_secrets.A", "A is set in env too"),
    ],
)
def test_secrets_of_builds_that_cannot_be(
    project: Project, more: str, key: str, message: str
) -> None:
    project.app(more=f"{more}\n")
    layer, name, told = project.error()
    assert (layer, name) == ("apps/shop.yml", f"app.shop.{key}")
    assert message in told
