"""The end of a whole test run names what failed, whichever lane it was in."""

from __future__ import annotations

from pathlib import Path

from tests import lanes

FILE = """<testsuites><testsuite>
<testcase classname="tests.e2e.test_web" name="test_one"/>
<testcase classname="tests.e2e.test_web" name="test_two">
<failure message="assert 502 == 200&#10;  more">trace</failure></testcase>
<testcase classname="tests.e2e.test_tls" name="test_three"><error message="no host"/></testcase>
</testsuite></testsuites>"""


def test_failed_tests_are_named_with_their_cause(tmp_path: Path) -> None:
    file = tmp_path / "lane-first.xml"
    file.write_text(FILE)
    assert list(lanes.failed(file)) == [
        "tests.e2e.test_web::test_two: failure: assert 502 == 200",
        "tests.e2e.test_tls::test_three: error: no host",
    ]


def test_a_lane_that_was_cut_off_is_named(tmp_path: Path) -> None:
    assert list(lanes.failed(tmp_path / "lane-quiet.xml")) == ["lane-quiet did not end"]


def test_every_lane_has_files() -> None:
    files = [*Path("tests/unit").glob("test_*.py"), *Path("tests/e2e").glob("test_*.py")]
    assert {lanes.lane(file) for file in files} == set(lanes.LANES)
    names = {file.stem.removeprefix("test_") for file in files}
    assert names >= lanes.SECOND | lanes.QUIET
