"""A report as a page: one file that loads nothing, runs nothing, and stays below a megabyte."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from groundcrew import __version__
from groundcrew.report.model import Audit, Report
from groundcrew.templates import TEMPLATES

LIMIT = 1_000_000
"""Bytes of a page."""


@cache
def environment() -> Environment:
    """The Jinja2 environment: everything is HTML-escaped, undefined names are errors."""
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=True,
    )


def page(report: Report) -> str:
    """The page of a run, with as much detail as fits."""
    return _fitting("report/run.html.j2", {"report": report}, "detail", (2, 1, 0))


def audit_page(audit: Audit, subjects: Mapping[str, str]) -> str:
    """The page of an audit. `subjects` are the results by name."""
    given = {"audit": audit, "subjects": subjects, "version": __version__}
    return _fitting("report/audit.html.j2", given, "brief", (False, True))


def _fitting(
    template: str, given: Mapping[str, Any], name: str, values: tuple[int | bool, ...]
) -> str:
    text = ""
    for value in values:
        text = environment().get_template(template).render({**given, name: value})
        if len(text.encode()) < LIMIT:
            break
    return text
