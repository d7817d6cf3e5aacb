"""Reports a host's Debian packages and the newer versions in its package lists.

Runs on the host as `python3 -c SCRIPT`. Queries the existing package lists with apt; downloads and
writes nothing. Prints one line of JSON: {"packages": [[name, version]], "updates": [{"name",
"installed", "available", "security": bool, "suites": [name]}], "local": [name of a package from no
archive], "security": [{"suite", "date": Unix time, "valid_until": Unix time or null}] of the
security suites' lists, "now": Unix time}. Exits with 1 if apt fails. Standard library only, Python
3.9 or later.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # Types of the report, shared with what reads it; never sent to a host.
    from groundcrew.facts.updates import PackageReport, SecurityList

LISTS = Path("/var/lib/apt/lists")
STATUS = "/var/lib/dpkg/status"
# Disables apt's cache files, so that it writes none.
POLICY = ("apt-cache", "--option=Dir::Cache::pkgcache=", "--option=Dir::Cache::srcpkgcache=",
          "policy")  # fmt: skip
_SOURCE = re.compile(r"^\s*-?\d+ (\S.*)$")
_HEAD = re.compile(r"^(\S+):$")
_CANDIDATE = re.compile(r"^  Candidate: (\S+)$")
_VERSION = re.compile(r"^ (\*\*\*|   ) (\S+) -?\d+\b")
_ORIGIN = re.compile(r"^ {7,}\s*-?\d+ (\S.*)$")


def output_of(*command: str) -> str:
    """Standard output of a command, in English. Raises CalledProcessError."""
    return subprocess.run(
        command,
        env={**os.environ, "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout


def installed(text: str) -> dict[str, str]:
    """Name -> version of fully installed packages, from lines `STATE NAME VERSION`."""
    rows = [line.split(" ") for line in text.splitlines()]
    return {row[1]: row[2] for row in rows if row[0] == "installed"}


def is_security(fields: dict[str, str]) -> bool:
    """Whether a suite contains security fixes, according to its Release file."""
    names = (fields.get("suite", ""), fields.get("codename", ""), fields.get("label", "").lower())
    return any(name.endswith("-security") for name in names)


def security_sources(text: str) -> set[str]:
    """The sources of security fixes, in the notation of `apt-cache policy`."""
    keys = {"a": "suite", "n": "codename", "l": "label"}
    sources, source = set(), ""
    for line in text.splitlines():
        match = _SOURCE.match(line)
        if match:
            source = match.group(1)
        elif line.strip().startswith("release "):
            pairs = [item.partition("=") for item in line.strip()[len("release ") :].split(",")]
            if is_security({keys.get(key, key): value for key, _, value in pairs}):
                sources.add(source)
    return sources


def tables(text: str) -> Iterator[dict[str, Any]]:
    """Parses `apt-cache policy NAME...`: each package with its candidate and its versions, newest
    first, as [version, is installed, sources]."""
    package: dict[str, Any] = {}
    for line in text.splitlines():
        head, candidate = _HEAD.match(line), _CANDIDATE.match(line)
        version, origin = _VERSION.match(line), _ORIGIN.match(line)
        if head:
            if package:
                yield package
            package = {"name": head.group(1), "candidate": "", "versions": []}
        elif candidate:
            package["candidate"] = candidate.group(1)
        elif version:
            package["versions"].append([version.group(2), version.group(1) == "***", []])
        elif origin and package["versions"]:
            package["versions"][-1][2].append(origin.group(1))
    if package:
        yield package


def judge(package: dict[str, Any], security: set[str]) -> tuple[str, Any]:
    """("update", details), ("local", name), or ("", None) for a package that is as in its archive.
    A security fix counts even if apt would choose another version or none."""
    newer = []
    for version, is_installed, sources in package["versions"]:
        if is_installed:
            break
        newer.append((version, sources))
    else:
        return "", None
    fixes = [item for item in newer if security.intersection(item[1])]
    candidates = [item for item in newer if item[0] == package["candidate"]]
    for available, origins in (*fixes, *candidates):
        return "update", {
            "name": package["name"],
            "installed": version,
            "available": available,
            "security": bool(fixes),
            "suites": sorted({suite(origin) for origin in origins}),
        }
    return ("local", package["name"]) if set(sources) <= {STATUS} else ("", None)


def suite(source: str) -> str:
    """The suite of a source in apt's notation, such as `bookworm-security/main`."""
    parts = source.split(" ")
    return parts[1] if len(parts) > 1 else source


def lists(folder: Path) -> list[SecurityList]:
    """The security suites in the host's package lists, with their dates."""
    suites: list[SecurityList] = []
    for path in sorted(folder.glob("*Release")):
        fields = release(path.read_text(encoding="utf-8", errors="replace").splitlines())
        if is_security(fields) and "date" in fields:
            until = fields.get("valid-until")
            suites.append({
                "suite": fields.get("codename") or fields.get("suite", ""),
                "date": parsedate_to_datetime(fields["date"]).timestamp(),
                "valid_until": parsedate_to_datetime(until).timestamp() if until else None,
            })  # fmt: skip
    return suites


def release(lines: Iterable[str]) -> dict[str, str]:
    """The fields of a Release file that precede its checksums."""
    fields: dict[str, str] = {}
    for line in lines:
        key, separator, value = line.partition(":")
        if key in ("MD5Sum", "SHA256"):
            break
        if separator and not line.startswith(" "):
            fields[key.lower()] = value.strip()
    return fields


def main() -> int:
    """Prints the report."""
    shown = "--showformat=${db:Status-Status} ${binary:Package} ${Version}\n"
    try:
        packages = installed(output_of("dpkg-query", "--show", shown))
        security = security_sources(output_of(*POLICY))
        judged = [judge(item, security) for item in tables(output_of(*POLICY, *packages))]
        report: PackageReport = {
            "packages": sorted(packages.items()),
            "updates": [about for kind, about in judged if kind == "update"],
            "local": [about for kind, about in judged if kind == "local"],
            "security": lists(LISTS) if security else [],
            "now": time.time(),
        }
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
