"""The version of a package that takes it from git: hosts get no repository to ask."""

from __future__ import annotations

import re
from collections.abc import Collection

from groundcrew.releases.pyproject import Project, normal

_DESCRIBED = re.compile(r"(?P<tag>.+)-(?P<count>[0-9]+)-g(?P<commit>[0-9a-f]+)(?P<dirty>-dirty)?")
_VERSION = re.compile(
    r"(?:.*[/_-])?[vV]?(?P<release>[0-9]+(?:\.[0-9]+)*)"
    r"(?:[._-]?(?P<pre>a|alpha|b|beta|c|rc|pre|preview)[._-]?(?P<prenumber>[0-9]*))?"
    r"(?:[._-]?(?P<post>post|rev|r)[._-]?(?P<postnumber>[0-9]*))?"
    r"(?:[._-]?dev[._-]?(?P<dev>[0-9]*))?(?:\+[a-zA-Z0-9._-]+)?"
)
_PRE = {"alpha": "a", "beta": "b", "c": "rc", "pre": "rc", "preview": "rc"}
_OWN_NAME = ("setuptools-scm", "vcs-versioning")
"""Tools that have a variable for each package; the others' is for all that are built."""
_FOR_ALL = {
    "hatch-vcs": "SETUPTOOLS_SCM_PRETEND_VERSION",
    "flit-scm": "SETUPTOOLS_SCM_PRETEND_VERSION",
    "poetry-dynamic-versioning": "POETRY_DYNAMIC_VERSIONING_BYPASS",
    "uv-dynamic-versioning": "UV_DYNAMIC_VERSIONING_BYPASS",
    "pbr": "PBR_VERSION",
}
FALLBACK = "fallback"
"""Part of a key by which projects say a version themselves, for where there is no git."""


def version(described: str) -> str | None:
    """The version that `git describe --long` tells, as setuptools-scm counts: the tag's, or what
    comes next, with the number of commits and the commit. None where the tag is no version."""
    found = _DESCRIBED.fullmatch(described)
    tag = _VERSION.fullmatch(found["tag"]) if found else None
    if not found or not tag:
        return None
    text = tag["release"]
    if tag["pre"]:
        text += f"{_PRE.get(tag['pre'], tag['pre'])}{int(tag['prenumber'] or 0)}"
    if tag["post"]:
        text += f".post{int(tag['postnumber'] or 0)}"
    count = int(found["count"])
    if not count and not found["dirty"]:
        return text if tag["dev"] is None else f"{text}.dev{int(tag['dev'] or 0)}"
    if tag["dev"] is None:
        text = re.sub(r"[0-9]+$", lambda number: str(int(number[0]) + 1), text)
    else:
        count += int(tag["dev"] or 0)
    # Of changes that are not committed nothing is known that would be the same on every day.
    return f"{text}.dev{count}+g{found['commit']}{'.dirty' if found['dirty'] else ''}"


def variables(project: Project, known: str) -> dict[str, str]:
    """What tells the build of a package that its version is `known`; nothing where it asks no tool
    that would look into git."""
    found = {}
    for tool in tools(project):
        if tool in _OWN_NAME:
            end = re.sub("[-_.]+", "_", project.name).upper()
            found[f"SETUPTOOLS_SCM_PRETEND_VERSION{f'_FOR_{end}' if end else ''}"] = known
        else:
            found[_FOR_ALL.get(tool, "PDM_BUILD_SCM_VERSION")] = known
    return found


def tools(project: Project) -> list[str]:
    """What its build asks for a version from git."""
    names = {normal(line) for line in project.build_requires}
    found = sorted(names & {*_OWN_NAME, *_FOR_ALL})
    if "pdm-backend" in names and project.tool("pdm").get("version", {}).get("source") == "scm":
        found.append("pdm-backend")
    return found


def knows_itself(project: Project, beside: Collection[str]) -> bool:
    """Whether it has a version where there is no git: one that it falls back to, or the one of a
    source distribution."""
    said = ("setuptools_scm", "vcs-versioning", "hatch", "pdm", "poetry-dynamic-versioning",
            "uv-dynamic-versioning")  # fmt: skip
    return bool({"PKG-INFO", ".git_archival.txt"}.intersection(beside)) or any(
        FALLBACK in str(project.tool(name)) for name in said
    )
