"""A report as JUnit XML, which CI systems show: hosts and checks are test cases."""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from groundcrew.report.model import Check, Host, Report

INVALID = re.compile("[^\\t\\n\\r\\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot contain, even escaped."""


def junit(report: Report) -> str:
    """The document. Each host has a suite for the run, and one for each set of checks."""
    root = Element("testsuites", name="groundcrew", time=f"{report.seconds:.3f}")
    for host in report.hosts:
        _suite(root, f"{host.name}: run", [_run(report, host)], host.seconds)
        for item in host.checks:
            cases = [_case(f"{host.name}.{item.title}", check) for check in item.results]
            _suite(root, f"{host.name}: {item.title}", cases)
    others = [item for item in report.failures if not item.host]
    for failure in others:
        case = Element("testcase", classname="run", name=clean(failure.step))
        _message(case, "failure", failure.cause, "\n".join(failure.lines))
        _suite(root, "run", [case])
    for name in ("tests", "failures", "skipped"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
    indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{tostring(root, encoding="unicode")}\n'


def _suite(root: Element, name: str, cases: list[Element], seconds: float = 0.0) -> None:
    counts = {
        "tests": len(cases),
        "failures": sum(case.find("failure") is not None for case in cases),
        "skipped": sum(case.find("skipped") is not None for case in cases),
    }
    suite = SubElement(root, "testsuite", name=clean(name), time=f"{seconds:.3f}")
    suite.attrib.update({key: str(value) for key, value in counts.items()})
    suite.extend(cases)


def _run(report: Report, host: Host) -> Element:
    case = Element("testcase", classname=clean(host.name), name="run", time=f"{host.seconds:.3f}")
    failures = [item for item in report.failures if item.host == host.name]
    if failures:
        # The causes come last.
        lines = [line for item in failures for line in (f"{item.step}:", *item.lines)]
        _message(case, "failure", f"{failures[-1].step}: {failures[-1].cause}", "\n".join(lines))
    if not failures and host.outcome in ("failed", "interrupted"):
        _message(case, "failure", host.outcome, "")
    if host.outcome in ("not reached", "not finished"):
        _message(case, "skipped", host.outcome, "")
    return case


def _case(classname: str, check: Check) -> Element:
    case = Element("testcase", classname=clean(classname), name=clean(check.name), time="0.000")
    match check.status:
        case "fail":
            _message(case, "failure", check.detail, check.detail)
        case "n/a":
            _message(case, "skipped", check.detail, "")
        case "warn":
            SubElement(case, "system-out").text = clean(f"warning: {check.detail}")
        case _:
            SubElement(case, "system-out").text = clean(check.detail)
    return case


def _message(case: Element, kind: str, message: str, text: str) -> None:
    SubElement(case, kind, message=clean(message)).text = clean(text)


def clean(text: str) -> str:
    """The text without what XML cannot contain."""
    return INVALID.sub("?", text)
