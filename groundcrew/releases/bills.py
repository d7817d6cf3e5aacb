"""The difference of the bills of materials of two releases, for the report of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pyinfra import host

from groundcrew import record
from groundcrew.audit.packages import from_sbom
from groundcrew.facts.sbom import Sboms

LONGEST = 120
"""Characters of a package's name and version: a build has written them."""


def note_differences(apps: Sequence[str]) -> None:
    """Records what changed in the packages of releases that have gone live: a command for each, and
    none unless the run writes a report. Called before old releases are removed."""
    if record.RECORD.path is None:
        return
    for item in record.of(host).releases:
        if item.app in apps and item.live and item.packages is None:
            item.packages = difference(_bill(item.app, item.before), _bill(item.app, item.after))


def _bill(app: str, release: str | None) -> Any:
    if release is None:
        return {"bomFormat": "CycloneDX"}
    told = host.get_fact(Sboms, apps=[app], release=release, _ignore_errors=True)
    return (told or {}).get(app)


def difference(before: Any, after: Any) -> dict[str, Any]:
    """The difference of two CycloneDX documents, as `groundcrew.report.model.Packages` has it."""
    try:
        old, new = _versions(before), _versions(after)
    except (ValueError, TypeError, AttributeError):
        nothing: dict[str, Any] = {key: [] for key in ("added", "removed", "changed")}
        return {**nothing, "total": 0, "problem": "a release has no readable bill of materials"}
    return {
        "added": [f"{name} {_told(new[name])}" for name in sorted(new.keys() - old.keys())],
        "removed": [f"{name} {_told(old[name])}" for name in sorted(old.keys() - new.keys())],
        "changed": [
            f"{name} {_told(old[name])} -> {_told(new[name])}"
            for name in sorted(old.keys() & new.keys())
            if old[name] != new[name]
        ],
        "total": sum(map(len, new.values())),
        "problem": None,
    }


def _versions(document: Any) -> Mapping[str, set[str]]:
    versions: dict[str, set[str]] = {}
    for package in from_sbom("", document).packages:
        versions.setdefault(package.name[:LONGEST], set()).add(package.version[:LONGEST])
    return versions


def _told(versions: set[str]) -> str:
    return ", ".join(sorted(versions))
