"""Asks pip-audit about Python packages.

pip-audit reports "No known vulnerabilities found" even if its database knows none of the packages,
for example because a proxy answers instead. So every request includes a decoy.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from groundcrew import tool
from groundcrew.audit.answer import Answer, Finding, decoy, nothing
from groundcrew.audit.packages import PYPI, Package

LOCK = Path(__file__).with_name("requirements") / "audit.lock"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
TIMEOUT = 900
"""Seconds for one run of pip-audit, which sends a request per package."""
DECOYS = (
    Package(PYPI, "jinja2", "2.4.1"),
    Package(PYPI, "flask", "0.5"),
    Package(PYPI, "django", "1.2"),
    Package(PYPI, "requests", "2.2.1"),
    Package(PYPI, "pyyaml", "3.10"),
)


def ask(packages: Sequence[Package], options: Sequence[str] = ()) -> Answer:
    """The known vulnerabilities of the packages. `options` are additional options of pip-audit."""
    answer = Answer()
    for part in _parts(packages):
        part_answer = _ask(part, options)
        answer.findings += part_answer.findings
        answer.unknown.update(part_answer.unknown)
    return answer


def _parts(packages: Sequence[Package]) -> list[list[Package]]:
    """Splits the packages so that no package occurs twice in one request."""
    parts: dict[int, list[Package]] = defaultdict(list)
    seen: dict[str, int] = defaultdict(int)
    for package in packages:
        parts[seen[package.name]].append(package)
        seen[package.name] += 1
    return list(parts.values())


def _ask(packages: list[Package], options: Sequence[str]) -> Answer:
    canary = decoy(packages, DECOYS)
    if canary is None:
        return nothing(packages, "no decoy is left to ask with")
    try:
        report = _run([*packages, canary], options)
        advisories = {
            Package(PYPI, item["name"], item.get("version", "")): item
            for item in report["dependencies"]
        }
    except (OSError, ValueError, KeyError, TypeError, subprocess.SubprocessError) as error:
        return nothing(packages, f"pip-audit: {_reason(error)}")
    if not advisories.get(canary, {}).get("vulns"):
        known = f"pip-audit does not find what is known against {canary.name} {canary.version}"
        return nothing(packages, f"the database is out of reach: {known}")
    answer = Answer()
    for package in packages:
        item = advisories.get(package)
        if item is None:
            skipped = advisories.get(Package(PYPI, package.name, ""), {})
            answer.unknown[package] = skipped.get("skip_reason", "pip-audit did not look at it")
            continue
        answer.findings += [
            Finding(
                package,
                (vuln["id"], *vuln["aliases"]),
                tuple(vuln["fix_versions"]),
                str(vuln.get("description", "")),
            )
            for vuln in item["vulns"]
        ]
    return answer


def _run(packages: Sequence[Package], options: Sequence[str]) -> dict[str, Any]:
    with TemporaryDirectory(prefix="groundcrew-") as folder:
        requirements = Path(folder) / "requirements.txt"
        requirements.write_text("".join(f"{item.name}=={item.version}\n" for item in packages))
        environment = dict(os.environ)
        if CERTIFICATES.exists():
            environment.setdefault("REQUESTS_CA_BUNDLE", str(CERTIFICATES))
        done = subprocess.run(
            [
                str(tool.programs(LOCK) / "pip-audit"),
                *("--requirement", str(requirements), "--no-deps", "--disable-pip"),
                # A cached answer from an earlier day would pass for a current one.
                *("--cache-dir", str(Path(folder) / "cache")),
                *("--format", "json", "--progress-spinner", "off", *options),
            ],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
    if not done.stdout.strip():
        lines = done.stderr.strip().splitlines()
        raise ValueError(lines[-1] if lines else f"exit status {done.returncode}")
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def _reason(error: Exception) -> str:
    if isinstance(error, subprocess.TimeoutExpired):
        return f"no answer within {TIMEOUT} s"
    return str(error) or type(error).__name__
