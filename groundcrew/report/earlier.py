"""Results of earlier commands that belong to a run: the last audit, and load tests.

They are read from `.groundcrew` in the project, where those commands leave them.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from groundcrew.report import model
from groundcrew.report.build import moment

LOAD_TESTS = ".groundcrew/loadtest"
AUDIT = ".groundcrew/audits/last.json"


def load_tests(project: Path, apps: Collection[str]) -> list[model.LoadTest]:
    """The last load test of each application that had one."""
    tests = []
    for app in sorted(apps):
        path = project / LOAD_TESTS / f"{app}.json"
        with suppress(OSError, ValueError, KeyError, TypeError):
            tests.append(_load_test(app, moment(path.stat().st_mtime), _read(path)))
    return tests


def _load_test(app: str, at: str, data: Mapping[str, Any]) -> model.LoadTest:
    total = data["total"]
    return model.LoadTest(
        app=app,
        at=at,
        ok=data["ok"],
        requests=total["requests"],
        failed=total["failed"],
        rate=total["rate"],
        p95=total["p95"],
        checks=[model.Check.model_validate(item) for item in data["checks"]],
    )


def last_audit(project: Path, names: Collection[str]) -> model.Audit | None:
    """What the last audit found about these hosts and applications; None if it had none of
    them."""
    path = project / AUDIT
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        subjects = {
            label: item
            for label, item in _read(path)["audited"].items()
            if label in names or _is_of(label, names)
        }
        return audit(subjects, moment(path.stat().st_mtime)) if subjects else None
    return None


def _is_of(label: str, names: Collection[str]) -> bool:
    """Whether a label is `APP.HOST` of these names; hosts' names have dots too."""
    app, _, host = label.partition(".")
    return app in names and host in names


def audit(subjects: Mapping[str, Any], at: str) -> model.Audit:
    """An audit's document (`groundcrew.audit.report.document`) as a part of a report."""
    results = {item["result"] for item in subjects.values()}
    return model.Audit(
        at=at,
        result=_worst(results),
        subjects=len(subjects),
        findings=[
            model.Finding(
                subject=label,
                package=one["name"],
                version=one["version"],
                names=one["known_as"],
                fixed=one["fixed_in"],
                title=one["title"],
            )
            for label, item in subjects.items()
            for one in item["findings"]
        ],
        updates=[
            f"{label}: {one['name']} {one['installed']} -> {one['available']}"
            for label, item in subjects.items()
            for one in item["updates"]
            if one["security"]
        ],
        not_checked=[
            f"{label}: {text}" for label, item in subjects.items() for text in item["not_checked"]
        ],
    )


def _worst(results: Collection[str]) -> Literal["clean", "vulnerable", "not checked"]:
    if "vulnerable" in results:
        return "vulnerable"
    return "clean" if set(results) == {"clean"} else "not checked"


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
