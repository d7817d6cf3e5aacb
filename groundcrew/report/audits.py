"""The report of an audit: a page, with JSON, JUnit XML and SARIF of the same name beside it."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from groundcrew.audit.report import Result, document
from groundcrew.audit.sarif import sarif
from groundcrew.remote.printable import all_printable
from groundcrew.report import paths
from groundcrew.report.build import moment
from groundcrew.report.earlier import audit
from groundcrew.report.junit import clean
from groundcrew.report.model import Audit
from groundcrew.report.page import audit_page
from groundcrew.report.write import replace

ENDS = (*paths.BESIDE, ".sarif")


def write(path: str, results: Sequence[Result]) -> None:
    """Writes the files of an audit's report. Raises OSError."""
    told = all_printable(document(results))
    result = audit(told["audited"], moment(time.time()))
    subjects = {name: item["result"] for name, item in told["audited"].items()}
    texts = (
        audit_page(result, subjects),
        json.dumps(told, indent=2) + "\n",
        junit(result, subjects),
        json.dumps(sarif(results), indent=2) + "\n",
    )
    for target, text in zip(paths.beside(path, ENDS), texts, strict=True):
        replace(target, text)


def junit(audited: Audit, subjects: dict[str, str]) -> str:
    """The subjects as test cases."""
    suite = Element("testsuite", name="audit")
    for name, result in subjects.items():
        case = SubElement(suite, "testcase", classname="audit", name=clean(name), time="0.000")
        if result != "clean":
            lines = [*_lines(audited, name)]
            SubElement(case, "failure", message=result).text = clean("\n".join(lines))
    failures = sum(result != "clean" for result in subjects.values())
    counts = {"tests": str(len(subjects)), "failures": str(failures), "skipped": "0"}
    suite.attrib.update(counts)
    root = Element("testsuites", {"name": "groundcrew", **counts})
    root.append(suite)
    indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{tostring(root, encoding="unicode")}\n'


def _lines(audited: Audit, name: str) -> list[str]:
    lines = [
        f"{item.package} {item.version}: {' '.join(item.names)} {item.title}"
        for item in audited.findings
        if item.subject == name
    ]
    others = [*audited.updates, *audited.not_checked]
    return [*lines, *(text for text in others if text.startswith(f"{name}: "))]
