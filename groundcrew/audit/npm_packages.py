"""Asks `npm audit` about the packages of front ends.

The lockfile that npm gets lists the packages under aliases, so that several versions of one
package, and the decoy, fit into one request. Nothing is installed.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from groundcrew.audit.answer import Answer, Finding, nothing
from groundcrew.audit.packages import NPM, Package

TIMEOUT = 300
"""Seconds for one request."""
DECOY = Package(NPM, "lodash", "4.17.15")
"""A version with vulnerabilities that have been known for years."""


def ask(packages: Sequence[Package], options: Sequence[str] = ()) -> Answer:
    """The known vulnerabilities of the packages. `options` are additional options of npm."""
    if not packages:
        return Answer()
    if not shutil.which("npm"):
        return nothing(packages, "there is no npm on this machine")
    asked = [*packages, DECOY]
    try:
        report = _run(asked, options)
        findings = _findings(report, asked)
    except (OSError, ValueError, KeyError, TypeError, subprocess.SubprocessError) as error:
        return nothing(packages, f"npm audit: {error}")
    if not any(item.package == DECOY for item in findings):
        known = f"npm audit does not find what is known against {DECOY.name} {DECOY.version}"
        return nothing(packages, f"the database is out of reach: {known}")
    wanted = set(packages)
    return Answer(sorted({item for item in findings if item.package in wanted}, key=_order))


def _order(finding: Finding) -> tuple[Package, tuple[str, ...]]:
    return finding.package, finding.names


def lockfile(packages: Sequence[Package]) -> dict[str, Any]:
    """A package-lock.json with these packages."""
    about = {"name": "groundcrew-audit", "version": "1.0.0"}
    aliases = {
        f"package-{number}": f"npm:{item.name}@{item.version}"
        for number, item in enumerate(packages)
    }
    entries = {
        f"node_modules/package-{number}": {"name": item.name, "version": item.version}
        for number, item in enumerate(packages)
    }
    return {
        **about,
        "lockfileVersion": 3,
        "packages": {"": {**about, "dependencies": aliases}, **entries},
    }


def _run(packages: Sequence[Package], options: Sequence[str]) -> dict[str, Any]:
    lock = lockfile(packages)
    with TemporaryDirectory(prefix="groundcrew-") as folder:
        (Path(folder) / "package.json").write_text(json.dumps(lock["packages"][""]))
        (Path(folder) / "package-lock.json").write_text(json.dumps(lock))
        done = subprocess.run(
            [
                *("npm", "audit", "--audit", "--json", "--package-lock-only"),
                *("--include=dev", "--include=optional", *options),
            ],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
    report: dict[str, Any] = json.loads(done.stdout or "{}")
    if "vulnerabilities" not in report:
        raise ValueError(report.get("message") or f"exit status {done.returncode}")
    return report


def _findings(report: dict[str, Any], packages: Sequence[Package]) -> list[Finding]:
    findings = []
    for item in report["vulnerabilities"].values():
        numbers = [int(node.rpartition("package-")[2]) for node in item["nodes"]]
        for advisory in item["via"]:
            # A bare name refers to another package, which has an entry of its own.
            if isinstance(advisory, dict):
                name = re.sub(r".*/", "", advisory["url"])
                title = f"{advisory['severity']}: {advisory['title']}"
                findings += [Finding(packages[number], (name,), (), title) for number in numbers]
    return findings
