"""The result of an audit as SARIF 2.1.0, which code hosts and editors show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from groundcrew import __version__
from groundcrew.audit.answer import Finding
from groundcrew.audit.packages import Update
from groundcrew.audit.report import Result
from groundcrew.remote.printable import printable

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
UPDATE = "debian-security-update"


def sarif(results: Sequence[Result]) -> dict[str, Any]:
    """The document: a rule for each vulnerability, a result for each package that has it."""
    entries = [_finding(one, item) for one in results for item in one.findings]
    entries += [
        _update(one, item) for one in results for item in sorted(one.subject.updates)
        if item.security
    ]  # fmt: skip
    driver = {"name": "groundcrew", "version": __version__, "rules": _rules(results)}
    unknown = [f"{one.subject.label}: {text}" for one in results for text in one.unknown]
    invocation = {
        "executionSuccessful": not unknown,
        "toolExecutionNotifications": [
            {"level": "warning", "message": _text(f"not checked: {text}")} for text in unknown
        ],
    }
    run = {"tool": {"driver": driver}, "invocations": [invocation], "results": entries}
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rules(results: Sequence[Result]) -> list[dict[str, Any]]:
    rules: dict[str, dict[str, Any]] = {}
    for one in results:
        for item in one.findings:
            name = _name(item)
            title = item.title or f"a known vulnerability of {item.package.name}"
            rules.setdefault(name, {"id": name, "shortDescription": _text(title)})
        if any(update.security for update in one.subject.updates):
            text = _text("Debian has a security update of a package")
            rules.setdefault(UPDATE, {"id": UPDATE, "shortDescription": text})
    return list(rules.values())


def _finding(one: Result, item: Finding) -> dict[str, Any]:
    package = item.package
    fixed = f"; fixed in {', '.join(item.fixed)}" if item.fixed else ""
    text = f"{package.name} {package.version} has {' '.join(item.names)}{fixed}. {item.title}"
    return _result(_name(item), text.strip(), one.subject.label, package.name)


def _update(one: Result, item: Update) -> dict[str, Any]:
    package = item.package
    text = f"{package.name} {package.version}: the security update {item.available} waits"
    return _result(UPDATE, text, one.subject.label, package.name)


def _result(rule: str, text: str, label: str, package: str) -> dict[str, Any]:
    name = printable(f"{label}/{package}")
    location: dict[str, Any] = {"logicalLocations": [{"fullyQualifiedName": name}]}
    if "/" in label:
        # A file of the project. Applications on hosts and hosts have none.
        location["physicalLocation"] = {"artifactLocation": {"uri": quote(label)}}
    return {
        "ruleId": rule,
        "level": "error",
        "message": _text(text),
        "locations": [location],
        "partialFingerprints": {"package/v1": f"{name}/{rule}"},
    }


def _name(item: Finding) -> str:
    return printable(item.names[0]) if item.names else "unnamed"


def _text(text: str) -> dict[str, str]:
    return {"text": printable(text)}
