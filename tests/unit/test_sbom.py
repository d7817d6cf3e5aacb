"""What a release is made of, from a virtualenv and a front end's lockfile."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from groundcrew.remote.requirements import pinned_hashes
from groundcrew.remote.sbom import sbom

REQUIREMENTS = """\
Flask==3.1.0 --hash=sha256:aa --hash=sha512:bb
werkzeug==3.1.3 ; python_version >= "3.9" --hash=sha256:cc
werkzeug==2.0.0 ; python_version < "3.9" --hash=sha256:dd
thing @ https://example.org/thing-1==1.whl
"""
LOCK = {
    "lockfileVersion": 3,
    "packages": {
        "": {"dependencies": {"vue": "^3"}, "devDependencies": {"vite": "^5"}},
        "node_modules/vue": {
            "version": "3.5.0",
            "resolved": "https://user:token@registry.npmjs.org/vue/-/vue-3.5.0.tgz",
            "integrity": "sha512-qrs=",
            "license": "MIT",
            "dependencies": {"@vue/shared": "3.5.0", "gone": "1"},
        },
        "node_modules/@vue/shared": {"version": "3.5.0", "license": "SEE LICENSE IN x"},
        "node_modules/vite": {"version": "5.4.0", "dev": True, "dependencies": {"vue": "3.0.0"}},
        "node_modules/vite/node_modules/vue": {"version": "3.0.0"},
        "node_modules/other": {"name": "real", "version": "1.0.0", "optional": True},
        "node_modules/local": {"resolved": "packages/local", "link": True},
        "packages/local": {"version": "0.0.0"},
    },
}
METADATA = {
    "name": "shop",
    "release": "20261122T120102Z-0123456789ab",
    "digest": "01",
    "source": "shop",
    "source_digest": "02",
}


class Release:
    """A virtualenv without programs, and a front end."""

    def __init__(self, root: Path) -> None:
        self.venv = root / "venv"
        self.front = root / "web"
        self.front.mkdir(parents=True)
        self.site = self.venv / "lib/python3.11/site-packages"
        self.site.mkdir(parents=True)
        config = "home = /usr/bin\nimplementation = CPython\nversion_info = 3.11.2\n"
        (self.venv / "pyvenv.cfg").write_text(config)

    def package(self, name: str, version: str, *headers: str, origin: str | None = None) -> None:
        folder = self.site / f"{name}-{version}.dist-info"
        folder.mkdir()
        lines = [f"Name: {name}", f"Version: {version}", *headers, "", "Name: not this one"]
        (folder / "METADATA").write_text("\n".join(lines))
        if origin:
            (folder / "direct_url.json").write_text(json.dumps({"url": origin}))

    def sbom(self, **metadata: str) -> dict[str, Any]:
        hashes = pinned_hashes(REQUIREMENTS)
        text = sbom({**METADATA, **metadata}, self.venv, hashes, self.front)
        document: dict[str, Any] = json.loads(text)
        return document


@pytest.fixture
def release(tmp_path: Path) -> Release:
    made = Release(tmp_path)
    made.package(
        "Flask",
        "3.1.0",
        "License-Expression: BSD-3-Clause",
        "Requires-Dist: Werkzeug>=3.1",
        "Requires-Dist: absent",
        "Requires-Dist: thing; extra == 'more'",
    )
    made.package("werkzeug", "3.1.3", "Classifier: License :: OSI Approved :: BSD License")
    made.package("thing", "1.0", "License: MIT", origin="https://me:secret@example.org/thing.whl")
    (made.front / "package-lock.json").write_text(json.dumps(LOCK))
    return made


def parts(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {item["bom-ref"]: item for item in document["components"]}


def needs(document: dict[str, Any]) -> dict[str, list[str]]:
    return {item["ref"]: item["dependsOn"] for item in document["dependencies"]}


def test_python_packages_have_licences_and_the_hashes_of_their_files(release: Release) -> None:
    components = parts(release.sbom())
    flask = components["pkg:pypi/flask@3.1.0"]
    assert (flask["name"], flask["version"], flask["purl"]) == (
        "flask",
        "3.1.0",
        "pkg:pypi/flask@3.1.0",
    )
    assert flask["licenses"] == [{"expression": "BSD-3-Clause"}]
    assert flask["externalReferences"][0]["hashes"] == [
        {"alg": "SHA-256", "content": "aa"},
        {"alg": "SHA-512", "content": "bb"},
    ]
    werkzeug = components["pkg:pypi/werkzeug@3.1.3"]
    assert werkzeug["licenses"] == [{"license": {"name": "BSD License"}}]
    assert werkzeug["externalReferences"][0]["hashes"] == [{"alg": "SHA-256", "content": "cc"}]
    assert components["pkg:generic/cpython@3.11.2"]["version"] == "3.11.2"


def test_a_package_that_comes_from_no_index_has_no_address_in_one(release: Release) -> None:
    thing = parts(release.sbom())["thing@1.0"]
    assert "purl" not in thing
    assert thing["externalReferences"] == [
        {"type": "distribution", "url": "https://example.org/thing.whl"}
    ]


def test_what_needs_what(release: Release) -> None:
    dependencies = needs(release.sbom())
    assert dependencies["pkg:pypi/flask@3.1.0"] == ["pkg:pypi/werkzeug@3.1.3"]
    assert dependencies["pkg:npm/vite@5.4.0"] == ["pkg:npm/vue@3.0.0"]
    assert dependencies["pkg:npm/vue@3.5.0"] == ["pkg:npm/%40vue/shared@3.5.0"]
    assert dependencies["application"] == [
        "pkg:generic/cpython@3.11.2",
        "pkg:npm/vite@5.4.0",
        "pkg:npm/vue@3.5.0",
        "pkg:pypi/flask@3.1.0",
        "thing@1.0",
    ]


def test_a_front_end_is_what_its_lockfile_names(release: Release) -> None:
    components = parts(release.sbom())
    vue = components["pkg:npm/vue@3.5.0"]
    assert vue["licenses"] == [{"expression": "MIT"}]
    assert vue["externalReferences"] == [
        {
            "type": "distribution",
            "url": "https://registry.npmjs.org/vue/-/vue-3.5.0.tgz",
            "hashes": [{"alg": "SHA-512", "content": "aabb"}],
        }
    ]
    shared = components["pkg:npm/%40vue/shared@3.5.0"]
    assert shared["licenses"] == [{"license": {"name": "SEE LICENSE IN x"}}]
    assert components["pkg:npm/vite@5.4.0"]["properties"] == [
        {"name": "cdx:npm:package:development", "value": "true"}
    ]
    assert components["pkg:npm/real@1.0.0"]["scope"] == "optional"
    assert not [ref for ref in components if "local" in ref]


def test_the_same_content_makes_the_same_document(release: Release) -> None:
    document = release.sbom()
    assert release.sbom() == document
    assert document["metadata"]["timestamp"] == "2026-11-22T12:01:02Z"
    assert document["metadata"]["component"]["version"] == METADATA["release"]
    release.package("new", "1.0")
    assert release.sbom()["serialNumber"] != document["serialNumber"]


def test_no_front_end(release: Release) -> None:
    (release.front / "package-lock.json").unlink()
    assert not [ref for ref in parts(release.sbom()) if ref.startswith("pkg:npm")]
