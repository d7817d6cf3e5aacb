"""Which of Debian's packages have a pending update, from what apt prints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from groundcrew.audit import debian_packages
from groundcrew.audit.packages import Subject
from groundcrew.audit.report import CLEAN, NOT_CHECKED, VULNERABLE, Result, document, table
from groundcrew.remote.inspect_updates import (
    installed,
    judge,
    lists,
    security_sources,
    tables,
)

SECURITY = "http://deb.debian.org/debian-security bookworm-security/main amd64 Packages"
MAIN = "http://deb.debian.org/debian bookworm/main amd64 Packages"
POINT = "http://deb.debian.org/debian bookworm-updates/main amd64 Packages"
BACKPORTS = "http://deb.debian.org/debian bookworm-backports/main amd64 Packages"
OVERVIEW = f"""\
Package files:
 100 /var/lib/dpkg/status
     release a=now
 500 {SECURITY}
     release v=12,o=Debian,a=oldstable-security,n=bookworm-security,l=Debian-Security,c=main,b=amd64
     origin deb.debian.org
 500 {POINT}
     release v=12-updates,o=Debian,a=oldstable-updates,n=bookworm-updates,l=Debian,c=main,b=amd64
     origin deb.debian.org
 500 {MAIN}
     release v=12.15,o=Debian,a=oldstable,n=bookworm,l=Debian,c=main,b=amd64
     origin deb.debian.org
Pinned packages:
"""
NOW = 1_795_857_029.0
LIST = {"suite": "bookworm-security", "date": NOW - 86400, "valid_until": NOW + 6 * 86400}


def policy(candidate: str, *versions: tuple[str, tuple[str, ...]], name: str = "thing") -> str:
    """What `apt-cache policy` prints; the installed version is the one that dpkg has."""
    lines = [f"{name}:", "  Installed: see below", f"  Candidate: {candidate}", "  Version table:"]
    for version, sources in versions:
        mark = "***" if "dpkg" in sources else "   "
        lines.append(f" {mark} {version} 500")
        lines += [
            f"        {'100 /var/lib/dpkg/status' if source == 'dpkg' else f'500 {source}'}"
            for source in sources
        ]
    return "\n".join(lines) + "\n"


def judged(text: str) -> tuple[str, Any]:
    [package] = tables(text)
    return judge(package, {SECURITY})


def test_a_security_suite_is_known_by_its_release_file() -> None:
    assert security_sources(OVERVIEW) == {SECURITY}
    other = OVERVIEW.replace("bookworm-security,l=Debian-Security", "fixes,l=Our-Security")
    assert security_sources(other.replace("a=oldstable-security", "a=fixes")) == {SECURITY}
    assert security_sources(OVERVIEW.replace("-security,", ",").replace("-Security,", ",")) == set()


def test_only_what_is_wholly_installed_counts() -> None:
    text = "installed libc6:amd64 2.36-9\nconfig-files old 1.0\nhalf-installed bad 2\n"
    assert installed(text) == {"libc6:amd64": "2.36-9"}


@pytest.mark.parametrize(
    ("text", "available", "security", "suites"),
    [
        (
            policy("1.0-1+deb12u1", ("1.0-1+deb12u1", (SECURITY,)), ("1.0-1", (MAIN, "dpkg"))),
            "1.0-1+deb12u1",
            True,
            ["bookworm-security/main"],
        ),
        # The next point release has it too.
        (
            policy("2", ("2", (SECURITY, MAIN)), ("1", ("dpkg",))),
            "2",
            True,
            ["bookworm-security/main", "bookworm/main"],
        ),
        # The candidate is a later version from elsewhere, which came after the fix.
        (
            policy("3", ("3", (MAIN,)), ("2", (SECURITY,)), ("1", ("dpkg",))),
            "2",
            True,
            ["bookworm-security/main"],
        ),
        # Held back, or pinned: apt would not take it, and it is missing all the same.
        (policy("1", ("2", (SECURITY,)), ("1", (MAIN, "dpkg"))), "2", True,
         ["bookworm-security/main"]),
        (policy("2", ("2", (POINT,)), ("1", (MAIN, "dpkg"))), "2", False,
         ["bookworm-updates/main"]),
        # The fix is in already; what is newer is not security's.
        (
            policy("3", ("3", (MAIN,)), ("2", ("dpkg",)), ("1", (SECURITY,))),
            "3",
            False,
            ["bookworm/main"],
        ),
    ],
)  # fmt: skip
def test_a_pending_update(text: str, available: str, security: bool, suites: list[str]) -> None:
    kind, about = judged(text)
    assert kind == "update"
    told = (about["available"], about["security"], about["suites"])
    assert told == (available, security, suites)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (policy("1", ("1", (MAIN, "dpkg"))), ""),
        (policy("2", ("2", (SECURITY, "dpkg")), ("1", (MAIN,))), ""),
        # What only somebody who asks for it gets is no update.
        (policy("1", ("2~bpo12+1", (BACKPORTS,)), ("1", (MAIN, "dpkg"))), ""),
        (policy("1", ("1", ("dpkg",))), "local"),
        (policy("2", ("2", ("dpkg",)), ("1", (MAIN,))), "local"),
        (policy("1", ("2~bpo12+1", (BACKPORTS,)), ("1", ("dpkg",))), "local"),
        # Not installed.
        (policy("1", ("1", (MAIN,))), ""),
    ],
)
def test_what_has_none(text: str, kind: str) -> None:
    assert judged(text)[0] == kind


def test_many_packages_are_kept_apart() -> None:
    text = policy("1", ("1", (MAIN, "dpkg")), name="a") + policy(
        "2", ("2", (SECURITY,)), ("1", (MAIN, "dpkg")), name="b:i386"
    )
    assert [judge(item, {SECURITY})[0] for item in tables(text)] == ["", "update"]
    assert [item["name"] for item in tables(text)] == ["a", "b:i386"]


def test_the_lists_of_security_suites_have_a_date(tmp_path: Path) -> None:
    head = "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nOrigin: Debian\n"
    tail = "Date: Wed, 25 Nov 2026 22:33:12 UTC\n{}MD5Sum:\n 0 1 main\nDate: other\n"
    (tmp_path / "x_dists_bookworm-security_InRelease").write_text(
        f"{head}Label: Debian-Security\nSuite: oldstable-security\nCodename: bookworm-security\n"
        + tail.format("Valid-Until: Wed, 02 Dec 2026 22:33:12 UTC\n")
    )
    (tmp_path / "x_dists_bookworm_InRelease").write_text(f"{head}Label: Debian\n{tail}")
    assert lists(tmp_path) == [
        {"suite": "bookworm-security", "date": 1795645992.0, "valid_until": 1796250792.0}
    ]


def report(**changes: Any) -> dict[str, Any]:
    return {
        "packages": [["bash", "5.2-2"], ["openssl", "3.0.14-1"]],
        "updates": [],
        "local": [],
        "security": [LIST],
        "now": NOW,
        **changes,
    }


def subject(**changes: Any) -> Subject:
    return debian_packages.subject("web1", report(**changes))


def update(name: str, *, security: bool) -> dict[str, Any]:
    word = "security" if security else "updates"
    return {
        "name": name,
        "installed": "1",
        "available": "2",
        "security": security,
        "suites": [f"bookworm-{word}/main"],
    }


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({}, CLEAN),
        ({"updates": [update("openssl", security=True)]}, VULNERABLE),
        ({"updates": [update("tzdata", security=False)]}, CLEAN),
        ({"security": []}, NOT_CHECKED),
        ({"security": [{**LIST, "valid_until": NOW - 1}]}, NOT_CHECKED),
        ({"security": [{**LIST, "valid_until": None}]}, CLEAN),
        ({"security": [{**LIST, "valid_until": None, "date": NOW - 8 * 86400}]}, NOT_CHECKED),
        # What is known all the same.
        ({"security": [], "updates": [update("openssl", security=True)]}, VULNERABLE),
    ],
)
def test_only_fresh_lists_without_a_security_update_are_clean(
    changes: dict[str, Any], wanted: int
) -> None:
    host = subject(**changes)
    assert Result(host, [], host.unknown).status == wanted


def test_old_lists_are_told_with_their_day() -> None:
    [told] = subject(security=[{**LIST, "valid_until": NOW - 1}]).unknown
    assert told == (
        "the host's list of bookworm-security is of 2026-11-27 and has expired: "
        "`apt-get update` there says why"
    )


def test_updates_are_told_security_s_first() -> None:
    updates = [update("bash", security=False), update("openssl", security=True)]
    results = [Result(subject(updates=updates, local=["mine"]))]
    assert [line.split() for line in table(results)] == [
        ["Debian's", "packages", "of", "web1:", "2", "packages,", "vulnerable"],
        ["PACKAGE", "INSTALLED", "AVAILABLE", "SECURITY", "FROM"],
        ["openssl", "1", "2", "yes", "bookworm-security/main"],
        ["bash", "1", "2", "no", "bookworm-updates/main"],
        ["from", "no", "index,", "left", "out:", "mine"],
        ["vulnerable"],
    ]
    audited = document(results)["audited"]["Debian's packages of web1"]
    assert audited["packages"] == ["deb:bash@5.2-2", "deb:openssl@3.0.14-1"]
    assert audited["updates"][1] == {
        "name": "openssl",
        "installed": "1",
        "available": "2",
        "security": True,
        "from": ["bookworm-security/main"],
    }


def test_a_report_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "web1.debian.json"
    path.write_text('{"packages": []}')
    with pytest.raises(ValueError, match="no report of Debian's packages"):
        debian_packages.read(path, "web1")
