"""What releases are made of, and whether anything is known against it."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from groundcrew.remote.sbom import sbom
from tests.audit import advisories, gate, tools
from tests.e2e.harness import ROOT, LabHost, pyinfra

SCHEMA = """
import sys
from pathlib import Path
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

for path in sys.argv[1:]:
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(Path(path).read_text())
    if error:
        sys.exit(f"{path}: {error}")
"""


def invalid(*paths: Path) -> str:
    """What CycloneDX's own schema has against documents."""
    done = tools.run("python", "-c", SCHEMA, *map(str, paths))
    return done.stderr


def fetched(host: LabHost, folder: Path, **data: str) -> dict[str, dict[str, Any]]:
    """The documents of a host's applications, as an operator gets them."""
    given = {"sbom": str(folder), **data}
    run = pyinfra(host.name, playbook="playbooks/sbom.py", data=given)
    assert run.status == 0, run.stderr
    assert run.changed == []
    paths = sorted(folder.glob(f"*.{host.name}.cdx.json"))
    assert invalid(*paths) == ""
    return {path.name.split(".")[0]: json.loads(path.read_text()) for path in paths}


def packages(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        item["name"]: item
        for item in document["components"]
        if item.get("purl", "").startswith("pkg:pypi/")
    }


def test_every_release_keeps_what_it_is_made_of(converged: LabHost, tmp_path: Path) -> None:
    documents = fetched(converged, tmp_path)
    assert set(documents) == {"hello", "httpbin"}
    for name, document in documents.items():
        live = converged.live(name)
        assert document["metadata"]["component"]["version"] == live
        by_url = packages(document)
        freeze = f"/opt/groundcrew/uv-*/bin/uv pip freeze --python /srv/{name}/releases/{live}/venv"
        installed = dict(line.split("==") for line in converged.out(freeze).splitlines())
        assert {key: item["version"] for key, item in by_url.items()} == installed
        # What is locked has the hashes of its files, and every package says its licence.
        assert all(item["externalReferences"][0]["hashes"] for item in by_url.values())
        assert all(item["licenses"] for item in by_url.values())
        path = f"/srv/{name}/releases/{live}/sbom.cdx.json"
        assert converged.out(f"stat -c '%U %G %a' {path}") == "root root 644"
    gate.record("CycloneDX schema, bills of materials", converged.suite, "valid", "valid")


def test_a_release_that_is_not_there_has_none(bookworm: LabHost, tmp_path: Path) -> None:
    data = {"sbom": str(tmp_path), "app": "hello", "release": "20200101T000000Z-000000000000"}
    run = pyinfra(bookworm.name, playbook="playbooks/sbom.py", data=data)
    assert run.status == 1
    assert "hello: release 20200101T000000Z-000000000000 has no sbom.cdx.json" in run.stderr
    assert list(tmp_path.iterdir()) == []


def test_front_ends_are_in_it(tmp_path: Path) -> None:
    metadata = {"name": "chat", "release": "r", "digest": "d", "source": "s", "source_digest": "e"}
    front = ROOT / "examples/agentchat-like/frontend"
    text = sbom(metadata, ROOT / ".venv", {}, front)
    path = tmp_path / "chat.cdx.json"
    path.write_text(text)
    assert invalid(path) == ""
    vite = next(item for item in json.loads(text)["components"] if item["name"] == "vite")
    assert vite["externalReferences"][0]["hashes"]
    path.write_text(text.replace('"library"', '"wheel"'))
    assert "wheel" in invalid(path)


DECOYS = (
    {("jinja2", "2.4.1"): "PYSEC-1", ("flask", "0.5"): "PYSEC-2", ("django", "1.2"): "PYSEC-3"},
    {("lodash", "4.17.15"): "GHSA-decoy"},
)
"""What audits ask about to see whether anybody knows anything."""


def audit(address: str, *what: str) -> tuple[int, str]:
    """Exit status and output of the audit by a database."""
    where = ["--service=osv", f"--osv-url={address}/osv", f"--npm-registry={address}"]
    done = subprocess.run(
        [ROOT / "bin/audit", *what, *where],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_an_audit_is_clean_vulnerable_or_not_checked(tmp_path: Path) -> None:
    manifest = "apps/agentchat-like.yml"
    python, npm = DECOYS
    with advisories.database(python, npm) as address:
        status, text = audit(address, manifest, "apps/ragflow-like.yml")
        assert (status, text.splitlines()[-1]) == (0, "clean"), text
    locks = ROOT / "examples/agentchat-like"
    version = re.search(r"^fastapi==(\S+)", (locks / "requirements.txt").read_text(), re.M)
    front = json.loads((locks / "frontend/package-lock.json").read_text())
    vite = front["packages"]["node_modules/vite"]["version"]
    assert version
    bad = {("fastapi", version[1]): "CVE-python"}, {("vite", vite): "CVE-npm"}
    result = tmp_path / "audit.json"
    with advisories.database(python | bad[0], npm | bad[1]) as address:
        status, text = audit(address, manifest, "apps/hello.yml", "--json", str(result))
    assert status == 1
    assert re.search(rf"fastapi +{re.escape(version[1])} +CVE-python +99\.0", text)
    assert re.search(rf"vite +{re.escape(vite)} +CVE-npm", text)
    audited = json.loads(result.read_text())["audited"]
    assert [item["name"] for item in audited["agentchat-like"]["findings"]] == ["fastapi", "vite"]
    assert audited["hello"]["result"] == "clean"


def test_groundcrew_s_own_packages_are_audited(tmp_path: Path) -> None:
    python, npm = DECOYS
    lock = (ROOT / "requirements/dev.lock").read_text()
    version = re.search(r"^paramiko==(\S+)", lock, re.M)
    assert version
    result = tmp_path / "audit.json"
    with advisories.database(python | {("paramiko", version[1]): "CVE-own"}, npm) as address:
        status, text = audit(address, "--own", "--json", str(result))
    assert status == 1, text
    assert re.search(rf"paramiko +{re.escape(version[1])} +CVE-own +99\.0", text)
    audited = json.loads(result.read_text())["audited"]
    assert audited["requirements/dev.lock"]["result"] == "vulnerable"
    assert audited["roles/python/uv.lock"]["result"] == "clean"
    assert audited["roles/gunicorn/requirements/wsgi.lock"]["result"] == "clean"


@pytest.mark.parametrize("what", ["apps/hello.yml", "apps/agentchat-like.yml"])
def test_a_database_that_knows_nothing_makes_nothing_clean(what: str) -> None:
    python, _ = DECOYS
    with advisories.database({}, {}) as address:
        status, text = audit(address, what)
        assert status == 3
        assert "the database is out of reach: pip-audit does not find what is known" in text
        assert text.splitlines()[-1] == "not checked"
    # Nobody is there any more.
    assert audit(address, what)[0] == 3
    if "agentchat" in what:
        with advisories.database(python, {}) as address:
            status, text = audit(address, what)
        assert status == 3
        assert "npm audit does not find what is known against lodash" in text


FIXED = ("unzip", "libpng-tools", "rsync", "jq")
"""Packages of which security.debian.org has had a fix."""
OLD = "0.0-1"


def up_to_date(host: LabHost) -> None:
    """What has come out since the lab's image was made is on the host."""
    host.out("apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qqy dist-upgrade")


def outdated(host: LabHost) -> tuple[str, str]:
    """A package that is installed in a version from before all fixes, and the last fix's."""
    for name in FIXED:
        rows = [line.split() for line in host.out(f"apt-cache madison {name}").splitlines()]
        fixes = [row[2] for row in rows if "-security/" in row[5]]
        if fixes:
            control = f"Package: {name}\\nVersion: {OLD}\\nArchitecture: amd64\\n"
            control += "Maintainer: nobody\\nDescription: old\\n"
            host.out(
                "set -e; umask 022; cd $(mktemp -d); mkdir -p old/DEBIAN; "
                f"printf '{control}' > old/DEBIAN/control; "
                "dpkg-deb --build old >/dev/null; dpkg --install old.deb"
            )
            return name, fixes[0]
    raise AssertionError("no package is known that has a security fix")


def test_pending_security_updates_of_debian_are_told(bookworm: LabHost, tmp_path: Path) -> None:
    up_to_date(bookworm)
    hosts = ("inventory/lab.py", "--limit", bookworm.name)
    label = f"Debian's packages of {bookworm.name}"
    result = tmp_path / "audit.json"
    name, new = outdated(bookworm)
    # Not even a package that apt holds back is passed over.
    bookworm.out(f"apt-mark hold {name}")
    files = "find /var/cache/apt /var/lib/apt /var/lib/dpkg -type f -newermt @{} | sort"
    python, npm = DECOYS
    try:
        with advisories.database(python, npm) as address:
            status, text = audit(address, *hosts, "--json", str(result))
            assert status == 1, text
            assert re.search(
                rf"^  {name} +{re.escape(OLD)} +{re.escape(new)} +yes +bookworm-security/main",
                text, re.M,
            )  # fmt: skip
            audited = json.loads(result.read_text())["audited"][label]
            assert f"deb:{name}@{OLD}" in audited["packages"]
            assert [item["name"] for item in audited["updates"] if item["security"]] == [name]
            # It is no matter of one application.
            assert "Debian" not in audit(address, *hosts, "--app", "hello")[1]

            bookworm.out(f"apt-mark unhold {name}; apt-get -qqy install {name}")
            # apt's cache is older than that, so that apt would write a new one.
            start = bookworm.out("sleep 1.1; touch /var/lib/dpkg/status; sleep 1.1; date +%s")
            status, text = audit(address, *hosts)
            assert status == 0, text
            assert re.search(rf"^{label}: \d+ packages, clean$", text, re.M)
            # Nothing is fetched or written.
            assert bookworm.out(files.format(start)) == ""

            # Lists that hold no longer know of no update.
            lists = "/var/lib/apt/lists/*security*_InRelease"
            past = "Valid-Until: Mon, 02 Nov 2020 00:00:00 UTC"
            bookworm.out(f"sed -i.kept 's/^Valid-Until:.*/{past}/' {lists}")
            status, text = audit(address, *hosts)
            bookworm.out(f"for f in {lists}; do mv $f.kept $f; done")
            assert status == 3, text
            assert "not checked: the host's list of bookworm-security is of " in text
    finally:
        bookworm.out(f"apt-mark unhold {name}; apt-get -qqy purge {name}")


def test_what_hosts_run_is_audited(bookworm: LabHost) -> None:
    up_to_date(bookworm)
    python, npm = DECOYS
    hosts = ("inventory/lab.py", "--limit", bookworm.name)
    with advisories.database(python, npm) as address:
        status, text = audit(address, *hosts)
    assert status == 0, text
    assert f"httpbin.{bookworm.name}: " in text
    live = f"/srv/hello/releases/{bookworm.live('hello')}"
    bookworm.out(f"mv {live}/sbom.cdx.json {live}/kept")
    try:
        with advisories.database(python, npm) as address:
            status, text = audit(address, *hosts, "--app", "hello")
    finally:
        bookworm.out(f"mv {live}/kept {live}/sbom.cdx.json")
    assert status == 3
    assert "hello: the live release has no sbom.cdx.json" in text
