"""Finds a front end that is built with npm."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from groundcrew.newapp.project import Project

LOCKS = ("package-lock.json", "npm-shrinkwrap.json")
OTHERS = {"yarn.lock": "yarn", "pnpm-lock.yaml": "pnpm", "bun.lock": "bun", "bun.lockb": "bun"}
PASSED_OVER = re.compile(
    r"(^|/)(node_modules|docs?|e2e|[\w-]*e-?mails?|tests?|examples?|\.\w+|templates|website|"
    r"storybook|migrations)(/|$)"
)
DOCUMENTATION = ("docusaurus", "vitepress", "vuepress", "gatsby-theme-docz", "@docusaurus/core")
SERVED = ("next", "nuxt", "@remix-run/serve", "@sveltejs/adapter-node", "express")
"""With these packages, pages need a running Node.js."""
OUTSIDE = re.compile(
    r"(?:outDir|outputPath|base|dest|path)['\"]?\s*[:=]\s*[^,\n]*?"
    r"['\"](\.\./[^'\"]+)['\"]"
)
CONFIGURED = re.compile(r"(?:outDir)['\"]?\s*:\s*['\"](\.?/?[\w-]+(?:/[\w-]+)*)['\"]")
CONFIGURATION = ("vite.config.ts", "vite.config.js", "vite.config.mts", "vite.config.mjs",
                 "vue.config.js", "angular.json", "rsbuild.config.ts",
                 "webpack.config.js")  # fmt: skip


@dataclass(frozen=True)
class FrontendGuess:
    """A directory with package.json, a lockfile and a build script."""

    directory: str
    output: str


def find(project: Project) -> tuple[FrontendGuess | None, list[str]]:
    """The front end, and the reasons why others were not chosen."""
    refused: dict[str, list[str]] = {}
    for path in project.named(["package.json"]):
        folder = path.rpartition("/")[0]
        if PASSED_OVER.search(folder):
            continue
        try:
            package = json.loads(project.text(path))
        except json.JSONDecodeError:
            continue
        if not isinstance(package, dict) or "build" not in package.get("scripts", {}):
            continue
        reason = _reason(project, folder, package)
        if reason is None:
            return FrontendGuess(folder or ".", _output(project, folder, package)), []
        if reason:
            refused.setdefault(reason, []).append(path)
    return None, [
        f"front end: not taken: {', '.join(paths)}: {reason}" for reason, paths in refused.items()
    ]


def _reason(project: Project, folder: str, package: dict[str, Any]) -> str | None:
    """Why a package is not the site's front end. None if it is; empty if it clearly is none."""
    used = {**package.get("dependencies", {}), **package.get("devDependencies", {})}
    if any(name in used for name in DOCUMENTATION):
        return ""
    outside = _configured(project, folder, OUTSIDE)
    if outside:
        return (
            f"it builds into {outside}, from where the application serves it; build it before a "
            "release, so that the source has it"
        )
    if any(name in used for name in SERVED) and not _is_static(package):
        return "its pages need a running Node.js, or a build of plain files (an export)"
    if not _index(project, folder):
        return (
            "it has no index.html: its files are for the application's own pages; build them "
            "before a release, so that the source has them"
        )
    if not any(project.has(f"{folder}/{lock}".lstrip("/")) for lock in LOCKS):
        other = next(
            (tool for lock, tool in OTHERS.items() if _has_lock(project, folder, lock)), None
        )
        if other:
            return (
                f"its lockfile is {other}'s, and builds are npm's: run npm install and commit "
                "package-lock.json, or build it and use `frontend: {build: none}`"
            )
        return "it has a build and no package-lock.json: run npm install, commit it"
    return None


def _has_lock(project: Project, folder: str, lock: str) -> bool:
    return project.has(f"{folder}/{lock}".lstrip("/")) or project.has(lock)


def _index(project: Project, folder: str) -> bool:
    places = ("index.html", "public/index.html", "src/index.html", "app/index.html",
              "index.ejs", "public/index.ejs")  # fmt: skip
    return any(project.has(f"{folder}/{place}".lstrip("/")) for place in places)


def _is_static(package: dict[str, Any]) -> bool:
    build = str(package["scripts"]["build"])
    return "export" in build or "generate" in build


def _configured(project: Project, folder: str, pattern: re.Pattern[str]) -> str | None:
    for name in CONFIGURATION:
        path = f"{folder}/{name}".lstrip("/")
        match = pattern.search(project.text(path)) if project.has(path) else None
        if match:
            return match[1]
    return None


def _output(project: Project, folder: str, package: dict[str, Any]) -> str:
    used = {**package.get("dependencies", {}), **package.get("devDependencies", {})}
    own = _configured(project, folder, CONFIGURED)
    if own:
        return own.removeprefix("./")
    return "build" if "react-scripts" in used else "dist"
