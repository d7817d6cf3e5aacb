"""Versions of packages that derive them from git: hosts get no repository."""

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
"""Tools with a variable for each package; those of other tools apply to all packages."""
_FOR_ALL = {
    "hatch-vcs": "SETUPTOOLS_SCM_PRETEND_VERSION",
    "flit-scm": "SETUPTOOLS_SCM_PRETEND_VERSION",
    "poetry-dynamic-versioning": "POETRY_DYNAMIC_VERSIONING_BYPASS",
    "uv-dynamic-versioning": "UV_DYNAMIC_VERSIONING_BYPASS",
    "pbr": "PBR_VERSION",
}
FALLBACK = "fallback"
"""Part of the keys with which projects declare a version for builds without git."""


def version(described: str) -> str | None:
    """The version that follows from the output of `git describe --long`, by the rules of
    setuptools-scm: the tag's version, or the next one with the number of commits and the commit.
    None if the tag is not a version."""
    match = _DESCRIBED.fullmatch(described)
    tag = _VERSION.fullmatch(match["tag"]) if match else None
    if not match or not tag:
        return None
    text = tag["release"]
    if tag["pre"]:
        text += f"{_PRE.get(tag['pre'], tag['pre'])}{int(tag['prenumber'] or 0)}"
    if tag["post"]:
        text += f".post{int(tag['postnumber'] or 0)}"
    count = int(match["count"])
    if not count and not match["dirty"]:
        return text if tag["dev"] is None else f"{text}.dev{int(tag['dev'] or 0)}"
    if tag["dev"] is None:
        text = re.sub(r"[0-9]+$", lambda number: str(int(number[0]) + 1), text)
    else:
        count += int(tag["dev"] or 0)
    # Nothing reproducible is known about uncommitted changes.
    return f"{text}.dev{count}+g{match['commit']}{'.dirty' if match['dirty'] else ''}"


def variables(project: Project, known: str) -> dict[str, str]:
    """Variables that tell a package's build that its version is `known`; empty if its build does
    not read the version from git."""
    values = {}
    for tool in tools(project):
        if tool in _OWN_NAME:
            end = re.sub("[-_.]+", "_", project.name).upper()
            values[f"SETUPTOOLS_SCM_PRETEND_VERSION{f'_FOR_{end}' if end else ''}"] = known
        else:
            values[_FOR_ALL.get(tool, "PDM_BUILD_SCM_VERSION")] = known
    return values


def tools(project: Project) -> list[str]:
    """The tools that read the version from git in the project's build."""
    names = {normal(line) for line in project.build_requires}
    tools_named = sorted(names & {*_OWN_NAME, *_FOR_ALL})
    if "pdm-backend" in names and project.tool("pdm").get("version", {}).get("source") == "scm":
        tools_named.append("pdm-backend")
    return tools_named


def knows_itself(project: Project, beside: Collection[str]) -> bool:
    """Whether it has a version without git: a fallback version or that of a source distribution."""
    said = ("setuptools_scm", "vcs-versioning", "hatch", "pdm", "poetry-dynamic-versioning",
            "uv-dynamic-versioning")  # fmt: skip
    return bool({"PKG-INFO", ".git_archival.txt"}.intersection(beside)) or any(
        FALLBACK in str(project.tool(name)) for name in said
    )
