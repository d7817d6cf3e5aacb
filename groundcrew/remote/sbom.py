"""Writes a release's bill of materials as a CycloneDX document; part of the build on the host.

Its inputs are what exists after the build, with no extra tools: the packages in the virtualenv, its
interpreter, and the lockfile of the front end. The same content gives the same document. Format:
https://cyclonedx.org/docs/1.6/json/. Standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import uuid
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

SBOM = "sbom.cdx.json"
"""File name in the release's directory."""
Component = dict[str, Any]
Hashes = dict[tuple[str, str], list[str]]

_ROOT = "application"
_INDEX = "https://pypi.org/simple"
_EXPRESSION = re.compile(r"^(?!SEE |UNLICENSED)[\w.+() -]+$", re.ASCII)
_NPM_LOCKS = ("npm-shrinkwrap.json", "package-lock.json")
_ALGORITHMS = {"sha1": "SHA-1", "sha256": "SHA-256", "sha384": "SHA-384", "sha512": "SHA-512"}


def sbom(metadata: dict[str, Any], venv: Path, hashes: Hashes, frontend: Path | None) -> str:
    """The document of a release.

    `metadata` is that of its release.json with "name", `hashes` are those that its requirements
    allow, by name and version, and `frontend` is the directory of the front end's lockfile.
    """
    interpreter = _interpreter(venv)
    packages, edges = _python_packages(venv, hashes)
    modules, module_edges, direct = npm_packages(frontend) if frontend else ([], {}, [])
    edges.update(module_edges)
    wanted_by_others = {ref for refs in edges.values() for ref in refs}
    top = [item["bom-ref"] for item in packages if item["bom-ref"] not in wanted_by_others]
    edges[_ROOT] = [interpreter["bom-ref"], *top, *direct]
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            **_moment(metadata["release"]),
            "lifecycles": [{"phase": "build"}],
            "tools": {"components": [{"type": "application", "name": "groundcrew"}]},
            "component": {
                "type": "application",
                "bom-ref": _ROOT,
                "name": metadata["name"],
                "version": metadata["release"],
                "properties": [
                    {"name": f"groundcrew:{key}", "value": str(metadata[key])}
                    for key in ("digest", "source", "source_digest")
                ],
            },
        },
        "components": [interpreter, *packages, *modules],
        "dependencies": [
            {"ref": ref, "dependsOn": sorted(set(refs))} for ref, refs in sorted(edges.items())
        ],
    }
    content = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).digest()
    document["serialNumber"] = uuid.UUID(bytes=content[:16], version=5).urn
    return json.dumps(document, indent=1) + "\n"


def _moment(release: str) -> dict[str, str]:
    """The time at which the release was created, from its name."""
    match = re.match(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z-", release)
    return {"timestamp": "{}-{}-{}T{}:{}:{}Z".format(*match.groups())} if match else {}


def _interpreter(venv: Path) -> Component:
    lines = (venv / "pyvenv.cfg").read_text(encoding="utf-8").splitlines()
    config = dict(line.split(" = ", 1) for line in lines if " = " in line)
    name = config.get("implementation", "CPython")
    version = config.get("version_info") or config["version"]
    purl = f"pkg:generic/{name.lower()}@{version}"
    return {
        "type": "platform",
        "bom-ref": purl,
        "name": name,
        "version": version,
        "cpe": f"cpe:2.3:a:python:python:{version}:*:*:*:*:*:*:*",
        "purl": purl,
    }


def _python_packages(venv: Path, hashes: Hashes) -> tuple[list[Component], dict[str, list[str]]]:
    """The packages in the virtualenv, and the dependencies between them, without those of a
    package's own extras."""
    installed = {
        _canonical(about["Name"]): (about, folder)
        for folder in sorted(venv.glob("lib/python*/site-packages/*.dist-info"))
        for about in [_about(folder)]
        if about["Name"] and about["Version"]
    }
    components = {
        name: _python_package(name, *installed[name], hashes) for name in sorted(installed)
    }
    edges = {}
    for name, (about, _) in installed.items():
        needed = {
            _canonical(re.split(r"[^\w.-]", line.strip(), maxsplit=1)[0])
            for line in about.get_all("Requires-Dist", [])
            if not re.search(r";.*\bextra\s*==", line)
        }
        edges[str(components[name]["bom-ref"])] = [
            str(components[other]["bom-ref"]) for other in needed - {name} if other in components
        ]
    return list(components.values()), edges


def _about(folder: Path) -> Message:
    """The headers of a package's METADATA, without its description."""
    file = folder / "METADATA"
    text = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
    return HeaderParser().parsestr(text.partition("\n\n")[0])


def _python_package(name: str, about: Message, folder: Path, hashes: Hashes) -> Component:
    version = str(about["Version"])
    component: Component = {
        "type": "library",
        "bom-ref": f"pkg:pypi/{name}@{quote(version)}",
        "name": name,
        "version": version,
        **_licenses(about),
    }
    direct = folder / "direct_url.json"
    if direct.is_file():
        # Not from an index: no advisory covers it.
        component["bom-ref"] = f"{name}@{version}"
        origin = json.loads(direct.read_text(encoding="utf-8"))["url"]
        component["externalReferences"] = [_distribution(_without_login(origin))]
        return component
    component["purl"] = component["bom-ref"]
    allowed = [
        {"alg": _ALGORITHMS[kind], "content": value}
        for kind, _, value in (text.partition(":") for text in hashes.get((name, version), ()))
        if kind in _ALGORITHMS
    ]
    if allowed:
        # Hashes of every file that could have been installed: wheels for other platforms, and the
        # sdist.
        component["externalReferences"] = [
            {**_distribution(f"{_INDEX}/{name}/"), "hashes": allowed}
        ]
    return component


def _distribution(url: str) -> dict[str, Any]:
    return {"type": "distribution", "url": url}


def _without_login(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _licenses(about: Message) -> dict[str, Any]:
    """The package's licenses: an SPDX expression, or names as written by its authors."""
    expression = str(about["License-Expression"] or "")
    if expression:
        return {"licenses": [{"expression": expression}]}
    given = str(about["License"] or "").strip()
    classifiers = [
        text.rpartition(" :: ")[2]
        for text in about.get_all("Classifier", [])
        if text.startswith("License :: ")
    ]
    names = classifiers or [given]
    return _named(name for name in names if name and name != "UNKNOWN" and "\n" not in name)


def _named(names: Any) -> dict[str, Any]:
    licenses = [{"license": {"name": name}} for name in names]
    return {"licenses": licenses} if licenses else {}


def npm_packages(
    folder: Path,
) -> tuple[list[Component], dict[str, list[str]], list[str]]:
    """The packages in the front end's lockfile, their dependencies, and the front end's direct
    ones.

    The build takes packages only from the lockfile. They need not be part of the built files: most
    are build tools.
    """
    lock = next((folder / name for name in _NPM_LOCKS if (folder / name).is_file()), None)
    entries = json.loads(lock.read_text(encoding="utf-8")).get("packages", {}) if lock else {}
    packages = {
        path: (str(item.get("name") or path.rpartition("node_modules/")[2]), item)
        for path, item in sorted(entries.items())
        if "node_modules/" in path and item.get("version") and not item.get("link")
    }
    refs = {path: _npm_purl(name, item["version"]) for path, (name, item) in packages.items()}
    components = {refs[path]: _npm_package(refs[path], *packages[path]) for path in packages}
    edges: dict[str, list[str]] = {}
    for path, (_, item) in packages.items():
        edges.setdefault(refs[path], []).extend(_npm_needs(path, item, refs))
    direct = _npm_needs("", entries.get("", {}), refs)
    return list(components.values()), edges, direct


def _npm_purl(name: str, version: str) -> str:
    return f"pkg:npm/{quote(name)}@{quote(version)}"


def _npm_package(purl: str, name: str, item: dict[str, Any]) -> Component:
    component: Component = {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": item["version"],
        **({"scope": "optional"} if item.get("optional") else {}),
        "purl": purl,
    }
    given = item.get("license")
    if isinstance(given, str) and _EXPRESSION.match(given):
        component["licenses"] = [{"expression": given}]
    elif isinstance(given, str):
        component.update(_named([given]))
    hashes = [_integrity(text) for text in str(item.get("integrity", "")).split()]
    resolved = str(item.get("resolved", ""))
    if urlsplit(resolved).scheme in ("http", "https"):
        reference = _distribution(_without_login(resolved))
        present = [value for value in hashes if value]
        component["externalReferences"] = [
            {**reference, **({"hashes": present} if present else {})}
        ]
    if item.get("dev"):
        component["properties"] = [{"name": "cdx:npm:package:development", "value": "true"}]
    return component


def _integrity(text: str) -> dict[str, str] | None:
    """A checksum in npm's notation (SRI); None if it is malformed or its algorithm is unknown."""
    kind, _, value = text.partition("-")
    try:
        content = base64.b64decode(value.partition("?")[0], validate=True).hex()
    except binascii.Error:
        return None
    return {"alg": _ALGORITHMS[kind], "content": content} if kind in _ALGORITHMS else None


def _npm_needs(path: str, item: dict[str, Any], refs: dict[str, str]) -> list[str]:
    """The packages that a package needs, resolved as Node.js does: from the nearest node_modules
    upwards."""
    kinds = ("dependencies", "optionalDependencies", "peerDependencies", "devDependencies")
    needed = {name for kind in kinds for name in item.get(kind, {})}
    needs = []
    for name in sorted(needed):
        place = path
        while True:
            candidate = f"{place}/node_modules/{name}".lstrip("/")
            if candidate in refs:
                needs.append(refs[candidate])
            if candidate in refs or not place:
                break
            place = place.rpartition("/node_modules/")[0] if "/node_modules/" in place else ""
    return needs


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
