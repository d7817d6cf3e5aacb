"""What the gates of the web edge make of what they are told."""

from __future__ import annotations

import json

import pytest

from tests.audit import sender, tls
from tests.audit.gate import NotCheckedError
from tests.audit.hostile import cases

SSLYZE = """
    Checking results against Mozilla's "{profile}" configuration. See https://... for more details.

    shop.test:443: {verdict}
{more}"""


def test_there_are_cases_enough_and_each_fills_in_its_marker() -> None:
    all_cases = cases()
    assert len(all_cases) >= 200
    filled = [case.filled("shop.test", "c1.") for case in all_cases]
    assert sum(b"c1." in sent for sent in filled) > 0.9 * len(filled)
    assert not [sent for sent in filled if b"{id}" in sent or b"{site}" in sent]


@pytest.mark.parametrize(
    ("answer", "finding"),
    [
        (b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", None),
        (b"", None),
        (b"HTTP/1.1 200 OK\r\n\r\nX-Injected: in a body", None),
        (b"HTTP/1.1 200 OK\r\n\r\n{}HTTP/1.1 502 Bad Gateway\r\n\r\n", "x: 502"),
        (b"HTTP/1.1 501 Not Implemented\r\n\r\n", "x: 501"),
        (b"HTTP/1.1 302 Found\r\nX-Injected: yes\r\n\r\n", "x: sets a header"),
        (
            b"HTTP/1.1 200 OK\r\n\r\nroot:x:0:0:root:/root:/bin/bash",
            "x: shows a file that is nobody's business",
        ),
    ],
)
def test_an_answer_is_a_page_or_a_refusal(answer: bytes, finding: str | None) -> None:
    outcome = sender.Outcome()
    sender.judge("x", answer, outcome)
    assert outcome.findings == ([finding] if finding else [])


def test_sslyze_says_what_deviates_or_was_not_asked() -> None:
    good = SSLYZE.format(profile="intermediate", verdict="OK - Compliant.", more="")
    assert tls.sslyze(good) == []
    more = "        * tls_versions: TLS 1.2 is supported\n        * ciphers: ...\n"
    bad = SSLYZE.format(profile="modern", verdict="FAILED - Not compliant.", more=more)
    assert tls.sslyze(bad) == ["tls_versions: TLS 1.2 is supported", "ciphers: ..."]
    with pytest.raises(NotCheckedError):
        tls.sslyze("Could not connect")


def test_testssl_must_have_come_to_its_end() -> None:
    results = [{"id": f"n{n}", "severity": "OK", "finding": "fine"} for n in range(tls.LEAST)]
    with pytest.raises(NotCheckedError):
        tls.testssl(json.dumps(results))
    results += [
        {"id": "overall_grade", "severity": "OK", "finding": "A+"},
        {"id": "final_score", "severity": "INFO", "finding": "96"},
        {"id": "cert_revocation", "severity": "HIGH", "finding": "none"},
        {"id": "engine_problem", "severity": "WARN", "finding": "no engine"},
        {"id": "DNS_CAArecord", "severity": "LOW", "finding": "--"},
    ]
    grade, score, findings = tls.testssl(json.dumps(results))
    assert (grade, score) == ("A+", "96")
    assert findings == ["cert_revocation: none", "not checked: engine_problem: no engine"]
