"""The end of a whole test run names what failed, whichever lane it was in."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests import lanes

ROOT = Path(__file__).resolve().parents[2]

FILE = """<testsuites><testsuite>
<testcase classname="tests.e2e.test_web" name="test_one"/>
<testcase classname="tests.e2e.test_web" name="test_two">
<failure message="assert 502 == 200&#10;  more">trace</failure></testcase>
<testcase classname="tests.e2e.test_web" name="test_run"><failure
message="AssertionError: --> Loading&#10;...&#10;groundcrew: the run failed&#10;&#10;  web1: verify"
/></testcase>
<testcase classname="tests.e2e.test_tls" name="test_three"><error message="no host"/></testcase>
</testsuite></testsuites>"""

TIMES = """<testsuites><testsuite>
<testcase classname="tests.e2e.test_tls" name="test_three" time="6.1"/>
<testcase classname="tests.e2e.test_web" name="test_one" time="30.0"/>
<testcase classname="tests.e2e.test_web" name="test_two" time="42.1"/>
<testcase classname="" name="tests.e2e.test_broken" time="0.0"><error message="x"/></testcase>
</testsuite></testsuites>"""


def test_failed_tests_are_named_with_their_cause(tmp_path: Path) -> None:
    file = tmp_path / "lane-first.xml"
    file.write_text(FILE)
    assert list(lanes.failed(file)) == [
        "tests.e2e.test_web::test_two: failure: assert 502 == 200",
        "tests.e2e.test_web::test_run: failure: AssertionError: --> Loading … web1: verify",
        "tests.e2e.test_tls::test_three: error: no host",
    ]


def test_a_lane_that_was_cut_off_is_named(tmp_path: Path) -> None:
    assert list(lanes.failed(tmp_path / "lane-quiet.xml")) == ["lane-quiet did not end"]


def test_the_slowest_files_are_named_with_their_minutes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "lane-first.xml"
    file.write_text(TIMES)
    assert lanes.slowest(file) == "web 1.2, tls 0.1, broken 0.0"
    monkeypatch.setattr(lanes, "SHOWN", 1)
    assert lanes.slowest(file) == "web 1.2"


def test_every_lane_has_files() -> None:
    files = [*Path("tests/unit").glob("test_*.py"), *Path("tests/e2e").glob("test_*.py")]
    assert {lanes.lane(file) for file in files} == set(lanes.LANES)
    names = {file.stem.removeprefix("test_") for file in files}
    assert names >= lanes.SECOND | lanes.QUIET | lanes.LAST


def test_first_runs_are_looked_at_on_bare_hosts() -> None:
    assert lanes.lane(Path("tests/e2e/test_converge.py")) == lanes.BARE


def test_every_test_file_is_in_one_lane() -> None:
    paths = ["tests/unit", "tests/e2e"]
    named = [file for name in lanes.LANES for file in lanes.files(name, paths)]
    assert sorted(named) == sorted(str(f) for p in paths for f in Path(p).rglob("test_*.py"))


def test_what_waits_for_the_background_comes_last() -> None:
    files = [Path("tests/e2e/test_audit_strict.py"), Path("tests/e2e/test_web.py")]
    assert sorted(files, key=lanes.order) == files[::-1]


def test_a_second_try_is_told_with_its_reason(tmp_path: Path) -> None:
    """Even if it passes."""
    (tmp_path / "tests/e2e").mkdir(parents=True)
    (tmp_path / "tests/e2e/test_shaky.py").write_text(
        "tries = []\n\ndef test_shaky():\n    tries.append(1)\n    assert len(tries) == 2\n"
    )
    (tmp_path / ".groundcrew").mkdir()
    run = lanes.command("first", ["tests/e2e"], tmp_path / "temporary")
    done = subprocess.run(
        [*run, "-p", "tests.conftest", "-p", "no:cacheprovider"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    told = (tmp_path / lanes.retried("first")).read_text()
    assert told == "tests/e2e/test_shaky.py::test_shaky: assert 1 == 2\n"
