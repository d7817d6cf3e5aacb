"""Writes a report when its run has ended."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from pyinfra.api.state import State

from groundcrew import profile
from groundcrew.console.failures import STORY
from groundcrew.console.urls import urls
from groundcrew.project import ROOT
from groundcrew.record import RECORD
from groundcrew.report import build, earlier, masks, model, paths
from groundcrew.report.junit import junit
from groundcrew.report.model import Report
from groundcrew.report.page import page
from groundcrew.settings.load import settings_for


def at_end(state: State, path: str, given: Mapping[str, Any], started: float) -> None:
    """Writes the report of this process's run."""
    try:
        write(path, report_of(state, given, started))
        click.echo(f"\n--> Report: {path}", err=True)
    except OSError as error:
        click.echo(f"\ngroundcrew: the report cannot be written: {error}", err=True)


def report_of(state: State, given: Mapping[str, Any], started: float) -> Report:
    """The report of this process's run, without secrets. `given` is its command line."""
    run = build.Run(
        started,
        time.time(),
        # Words of pyinfra's `exec` may be secret.
        files=tuple(
            str(name) for name in given.get("operations") or () if str(name).endswith(".py")
        ),
        inventory=str(given.get("inventory", "")),
        dry=bool(given.get("dry")),
    )
    report = build.build(state, RECORD, profile.PROFILES, STORY, run)
    hosts = [host for host in state.inventory if state.is_host_in_limit(host)]
    loaded = [settings_for(host) for host in hosts]
    report.urls = [
        model.Url.model_validate(asdict(item))
        for item in urls(
            [(host, settings_for(host).settings) for host in hosts],
            [(item.name, {one.app: one.release for one in item.serving}) for item in report.hosts],
        )
    ]
    apps = {name for item in loaded for name in item.settings.app}
    report.load_tests = earlier.load_tests(ROOT, apps)
    report.audit = earlier.last_audit(ROOT, apps | {host.name for host in hosts})
    clean = masks.masked(report.model_dump(), masks.secrets(loaded))
    return Report.model_validate(clean)


def write(path: str, report: Report) -> None:
    """Replaces the files of a report. Raises OSError."""
    data: Any = report.model_dump(mode="json")
    texts = (page(report), json.dumps(data, indent=2, ensure_ascii=False) + "\n", junit(report))
    for target, text in zip(paths.beside(path), texts, strict=True):
        replace(target, text)


def replace(target: Path, text: str) -> None:
    """Replaces a file atomically by one that only its owner reads: errors of applications may tell
    what is not for everybody. Raises OSError."""
    descriptor, staged = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as stream:
            stream.write(text)
        Path(staged).replace(target)
    except BaseException:
        Path(staged).unlink(missing_ok=True)
        raise
