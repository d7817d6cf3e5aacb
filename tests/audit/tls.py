"""What sslyze and testssl.sh say, as findings."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from tests.audit.gate import NotCheckedError

EITHER = ("sessionresumption_ticket",)
"""Checks that can look or not by chance; that there are no tickets is another one's result."""
LEAST = 100
"""Results that testssl.sh has when all went well; with fewer it stopped on its way."""


def sslyze(output: str) -> list[str]:
    """Deviations from Mozilla's guideline. Raises NotCheckedError where it judged nothing."""
    verdict = re.search(r":443: (OK - Compliant|FAILED - Not compliant)\.(.*)", output, re.DOTALL)
    if verdict is None:
        raise NotCheckedError(f"sslyze: {output[-2000:]}")
    problems = [
        line.strip(" *") for line in verdict[2].splitlines() if line.strip().startswith("*")
    ]
    if verdict[1].startswith("FAILED") and not problems:
        raise NotCheckedError(f"sslyze: {verdict[2]}")
    return problems


def testssl(text: str) -> tuple[str, str, list[str]]:
    """Grade, score, and what is of HIGH or worse or could not be looked at."""
    try:
        results: Sequence[dict[str, str]] = json.loads(text)
    except json.JSONDecodeError as error:
        raise NotCheckedError(f"testssl.sh: {text[-2000:]}") from error
    named = {item["id"]: item["finding"] for item in results}
    if len(results) < LEAST or not {"overall_grade", "final_score"} <= set(named):
        raise NotCheckedError(f"testssl.sh ended early: {sorted(named)}")
    bad = [item for item in results if item["severity"] in ("HIGH", "CRITICAL", "FATAL")]
    blind = [item for item in results if item["severity"] == "WARN" and item["id"] not in EITHER]
    return (
        named["overall_grade"],
        named["final_score"],
        [f"{item['id']}: {item['finding']}" for item in bad]
        + [f"not checked: {item['id']}: {item['finding']}" for item in blind],
    )
