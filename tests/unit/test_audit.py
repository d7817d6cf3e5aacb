"""What is audited, and what the answers of the databases come to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from groundcrew.audit import npm_packages, python_packages
from groundcrew.audit.answer import Finding, decoy
from groundcrew.audit.packages import NPM, PYPI, Package, Subject, add_requirements, from_sbom
from groundcrew.audit.report import (
    CLEAN,
    NOT_CHECKED,
    VULNERABLE,
    Result,
    document,
    status,
    table,
)
from groundcrew.roles import audit

FLASK = Package(PYPI, "flask", "3.1.0")
KNOWN = Finding(FLASK, ("CVE-1", "GHSA-1", "PYSEC-1", "OTHER-1"), ("3.1.1",), "Broken")


def test_requirements_are_audited_as_far_as_they_pin() -> None:
    subject = Subject("shop")
    text = (
        "Flask[async]==3.1.0 ; python_version > '3.9' --hash=sha256:aa\n"
        "jinja2==3.*\nwerkzeug>=3\n./thing-1.5.whl --hash=sha256:bb\n"
        "other @ https://example.org/other.whl\n--no-binary other\n-r more.txt\n"
    )
    add_requirements(subject, text)
    assert subject.packages == {FLASK}
    assert subject.own == ["./thing-1.5.whl", "other @ https://example.org/other.whl"]
    assert [line.split("`")[1] for line in subject.unknown] == [
        "jinja2==3.*",
        "werkzeug>=3",
        "-r more.txt",
    ]


def test_bills_of_materials_name_packages_of_both_indexes() -> None:
    items = [
        {"type": "platform", "name": "CPython", "purl": "pkg:generic/cpython@3.11.2"},
        {"type": "library", "name": "flask", "purl": "pkg:pypi/flask@3.1.0"},
        {"type": "library", "name": "@vue/shared", "purl": "pkg:npm/%40vue/shared@3.5.0"},
        {"type": "library", "name": "thing"},
    ]
    subject = from_sbom("shop", {"bomFormat": "CycloneDX", "components": items})
    assert subject.packages == {FLASK, Package(NPM, "@vue/shared", "3.5.0")}
    assert subject.own == ["thing"]
    wrongs: tuple[Any, ...] = ([], {}, {"bomFormat": "SPDX"})
    for wrong in wrongs:
        with pytest.raises(ValueError, match="no CycloneDX"):
            from_sbom("shop", wrong)


def test_groundcrew_s_own_locks_are_audited() -> None:
    root = Path(__file__).resolve().parents[2]
    locks = {path.relative_to(root).as_posix(): path for path in audit.own_locks(root)}
    assert {
        "requirements/dev.lock",
        "groundcrew/audit/requirements/audit.lock",
        "roles/python/uv.lock",
        "roles/gunicorn/requirements/wsgi.lock",
    } <= set(locks)
    for label, path in locks.items():
        subject = audit.from_lock(path, root)
        assert subject.label == label
        assert subject.packages
        assert subject.unknown == []
    names = {item.name for item in audit.from_lock(locks["requirements/dev.lock"]).packages}
    assert {"pyinfra", "paramiko", "pydantic"} <= names


def test_without_anything_to_audit_the_usage_is_wrong() -> None:
    with pytest.raises(SystemExit) as ended:
        audit.main([])
    assert ended.value.code == audit.USAGE


def test_a_lock_of_another_kind_is_wrong_usage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "uv.lock"
    path.write_text('version = 1\n[[package]]\nname = "flask"\n')
    assert audit.main([str(path)], tmp_path) == audit.USAGE
    assert "pins no package" in capsys.readouterr().err


def test_a_decoy_is_no_package_of_the_application() -> None:
    first, second, *_ = python_packages.DECOYS
    assert decoy([FLASK], python_packages.DECOYS) == first
    assert decoy([Package(PYPI, first.name, "3.1.6")], python_packages.DECOYS) == second
    assert decoy(python_packages.DECOYS, python_packages.DECOYS) is None


def test_npm_is_asked_about_several_versions_at_once() -> None:
    packages = [Package(NPM, "vue", "3.0.0"), Package(NPM, "vue", "3.5.0")]
    entries = npm_packages.lockfile(packages)["packages"]
    assert entries[""]["dependencies"]["package-1"] == "npm:vue@3.5.0"
    assert entries["node_modules/package-0"] == {"name": "vue", "version": "3.0.0"}


@pytest.mark.parametrize(
    ("result", "wanted"),
    [
        (Result(Subject("a")), CLEAN),
        (Result(Subject("a"), unknown=["why"]), NOT_CHECKED),
        (Result(Subject("a"), [KNOWN], ["why"]), VULNERABLE),
    ],
)
def test_what_was_not_checked_is_never_clean(result: Result, wanted: int) -> None:
    assert result.status == wanted
    assert status([result]) == wanted
    assert status([Result(Subject("b")), result]) == wanted
    assert status([]) == NOT_CHECKED


def test_the_report_names_everything() -> None:
    subject = Subject("shop", {FLASK}, own=["thing"])
    results = [Result(subject, [KNOWN], ["werkzeug 1: out of reach"])]
    lines = table(results)
    assert lines[0] == "shop: 1 packages, vulnerable"
    assert lines[2].split() == ["flask", "3.1.0", *KNOWN.names[:3], "+1", "3.1.1", "Broken"]
    assert lines[3:] == [
        "  not checked: werkzeug 1: out of reach",
        "  from no index, left out: thing",
        "vulnerable",
    ]
    audited = document(results)["audited"]["shop"]
    assert audited["packages"] == ["pypi:flask@3.1.0"]
    assert audited["findings"][0]["known_as"] == list(KNOWN.names)


def test_wrong_usage_is_neither_clean_nor_vulnerable(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "list.json").write_text(json.dumps({"packages": []}))
    for what in ("README.md", "apps/none.yml", str(tmp_path / "list.json"), "missing.json"):
        assert audit.main([what], tmp_path) == audit.USAGE
        assert what in capsys.readouterr().err
