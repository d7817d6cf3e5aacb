from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from click import unstyle

from groundcrew.operations.logs import report, seconds
from groundcrew.remote import app_files, app_logs
from groundcrew.remote.printable import printable


def access(ago: float, path: str) -> str:
    moment = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(time.time() - ago))
    return f'192.0.2.7 - - [{moment}] "GET {path} HTTP/1.1" 200 2 "-" "-"'


def error(ago: float, text: str) -> str:
    moment = time.strftime("%Y/%m/%d %H:%M:%S", time.localtime(time.time() - ago))
    return f"{moment} [error] 7#7: {text}"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(app_logs, "DIRECTORY", tmp_path)
    return tmp_path


def read(
    name: str, kind: tuple[re.Pattern[str], str], lines: int, since: int | None = None
) -> list[str]:
    return app_logs.nginx(name, kind, lines, since)


def test_the_last_lines_also_of_a_log_that_was_just_rotated(folder: Path) -> None:
    (folder / "shop.access.log").write_text("c\nd\n")
    (folder / "shop.access.log.1").write_text("a\nb\n")
    assert read("shop.access.log", app_logs.ACCESS, 3) == ["b", "c", "d"]
    assert read("shop.access.log", app_logs.ACCESS, 2) == ["c", "d"]
    assert read("other.access.log", app_logs.ACCESS, 2) == []


def test_nothing_older_than_asked_for(folder: Path) -> None:
    lines = [access(900, "/old"), access(100, "/new"), access(1, "/newest")]
    (folder / "shop.access.log").write_text("\n".join(lines) + "\n")
    assert read("shop.access.log", app_logs.ACCESS, 9, 600) == lines[1:]
    assert read("shop.access.log", app_logs.ACCESS, 1, 600) == lines[2:]
    several = [error(900, "old"), error(10, "new"), "that goes on"]
    (folder / "shop.error.log").write_text("\n".join(several) + "\n")
    assert read("shop.error.log", app_logs.ERROR, 9, 600) == several[1:]


def test_of_a_very_long_log_only_whole_lines(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_logs, "LOG_BYTES", 8)
    (folder / "shop.error.log").write_text("one\ntwo\nthree\n")
    assert app_files.tail(folder / "shop.error.log", 8) == ["three"]


def test_spans_and_lines() -> None:
    assert [seconds(text) for text in (None, "30s", "10m", "2h", "1d")] == [
        None,
        30,
        600,
        7200,
        86400,
    ]
    assert printable("a\tb \x1b[31m\x07ä") == "a\tb \\x1b[31m\\x07ä"


def test_every_line_has_the_prefix() -> None:
    lines = report("[web1] ", {"journal": ["x"], "access": [], "error": ["y"]})
    assert [unstyle(line) for line in lines] == [
        "[web1] journal of its web server, workers and timers",
        "[web1] x",
        "[web1] nginx's access log: nothing",
        "[web1] nginx's error log",
        "[web1] y",
    ]
