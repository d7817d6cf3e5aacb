"""The result of an audit, as a table and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from groundcrew.audit.answer import Finding
from groundcrew.audit.packages import Subject, Update
from groundcrew.columns import columns

CLEAN, VULNERABLE, NOT_CHECKED = 0, 1, 3
WORDS = {CLEAN: "clean", VULNERABLE: "vulnerable", NOT_CHECKED: "not checked"}
NAMES_SHOWN = 3


@dataclass
class Result:
    """The result for one subject."""

    subject: Subject
    findings: list[Finding] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    """What could not be checked, with the reason."""

    @property
    def status(self) -> int:
        """Exit status of the subject. It is clean only if everything was checked."""
        if self.findings or any(update.security for update in self.subject.updates):
            return VULNERABLE
        return NOT_CHECKED if self.unknown else CLEAN


def status(results: Sequence[Result]) -> int:
    """Exit status of the audit: vulnerable before not checked before clean. Without results: not
    checked."""
    statuses = {result.status for result in results} or {NOT_CHECKED}
    return next(kind for kind in (VULNERABLE, NOT_CHECKED, CLEAN) if kind in statuses)


def table(results: Sequence[Result]) -> list[str]:
    """The results as lines of text."""
    lines: list[str] = []
    for result in results:
        subject = result.subject
        lines.append(f"{subject.label}: {len(subject.packages)} packages, {WORDS[result.status]}")
        if result.findings:
            rows = [("PACKAGE", "VERSION", "KNOWN AS", "FIXED IN", "WHAT")]
            rows += [_row(item) for item in result.findings]
            lines += [f"  {line}" for line in columns(rows)]
        if subject.updates:
            rows = [("PACKAGE", "INSTALLED", "AVAILABLE", "SECURITY", "FROM")]
            rows += [_update(item) for item in sorted(subject.updates, key=_urgency)]
            lines += [f"  {line}" for line in columns(rows)]
        lines += [f"  not checked: {text}" for text in result.unknown]
        if subject.own:
            lines.append(f"  from no index, left out: {', '.join(sorted(subject.own))}")
    lines.append(WORDS[status(results)])
    return lines


def _row(item: Finding) -> tuple[str, str, str, str, str]:
    package = item.package
    more = len(item.names) - NAMES_SHOWN
    names = " ".join([*item.names[:NAMES_SHOWN], *([f"+{more}"] if more > 0 else [])])
    title = item.title if len(item.title) <= 60 else f"{item.title[:57]}..."
    return package.name, package.version, names, " ".join(item.fixed) or "-", title


def _urgency(update: Update) -> tuple[bool, Update]:
    return not update.security, update


def _update(update: Update) -> tuple[str, str, str, str, str]:
    package, word = update.package, "yes" if update.security else "no"
    return package.name, package.version, update.available, word, " ".join(update.suites)


def document(results: Sequence[Result]) -> dict[str, Any]:
    """The results as data for JSON."""
    return {
        "result": WORDS[status(results)],
        "audited": {
            result.subject.label: {
                "result": WORDS[result.status],
                "packages": [
                    f"{item.index}:{item.name}@{item.version}"
                    for item in sorted(result.subject.packages)
                ],
                "findings": [
                    {
                        "index": item.package.index,
                        "name": item.package.name,
                        "version": item.package.version,
                        "known_as": list(item.names),
                        "fixed_in": list(item.fixed),
                        "title": item.title,
                    }
                    for item in result.findings
                ],
                "updates": [
                    {
                        "name": item.package.name,
                        "installed": item.package.version,
                        "available": item.available,
                        "security": item.security,
                        "from": list(item.suites),
                    }
                    for item in sorted(result.subject.updates)
                ],
                "not_checked": result.unknown,
                "left_out": sorted(result.subject.own),
            }
            for result in results
        },
    }
