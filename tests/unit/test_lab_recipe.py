"""The recipe of the lab hosts' image."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from groundcrew.lab import image, recipe
from groundcrew.lab.recipe import Recipe

PLAIN = Recipe("bookworm", {})


def test_the_tag_names_the_suite_and_follows_the_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    before = PLAIN.tag
    assert before.startswith("groundcrew-lab:bookworm-")
    assert Recipe("bookworm", {}).tag == before
    assert Recipe("trixie", {}).tag.split("-")[-1] != before.split("-")[-1]
    monkeypatch.setattr(recipe, "PACKAGES", (*recipe.PACKAGES, "vim"))
    assert PLAIN.tag != before


def test_a_changed_certificate_changes_the_tag() -> None:
    tags = {
        replace(PLAIN, certificates=certificates).tag
        for certificates in ({}, {"a.crt": "1"}, {"a.crt": "2"}, {"b.crt": "1"})
    }
    assert len(tags) == 4


@pytest.mark.parametrize("suite", recipe.SUITES)
def test_every_suite_has_its_updates_and_security_updates(suite: str) -> None:
    made = Recipe(suite, {})
    assert [line.split()[2] for line in made.sources] == [
        suite,
        f"{suite}-updates",
        f"{suite}-security",
    ]
    assert f"Suites: {suite} {suite}-updates\n" in made.debian_sources
    assert f"Suites: {suite}-security\n" in made.debian_sources


def test_hosts_make_their_own_keys_and_identity() -> None:
    assert "rm -f /etc/ssh/ssh_host_*" in PLAIN.finish_script
    assert ": >/etc/machine-id" in PLAIN.finish_script
    assert "ssh-keygen -A" in PLAIN.finish_script


def test_both_ways_to_build_run_the_same_script_and_packages() -> None:
    command = PLAIN.mmdebstrap("/tmp/context")
    for package in recipe.PACKAGES:
        assert package in PLAIN.dockerfile
        assert package in command[2]
    assert any("finish.sh" in part for part in command)
    assert "RUN sh /finish.sh" in PLAIN.dockerfile


def test_the_machines_certificates_are_read_by_flat_name(tmp_path: Path) -> None:
    (tmp_path / "corp").mkdir()
    (tmp_path / "corp" / "root.crt").write_text("root")
    (tmp_path / "proxy.crt").write_text("proxy")
    (tmp_path / "notes.txt").write_text("no certificate")
    assert image.machine_certificates(tmp_path) == {"corp-root.crt": "root", "proxy.crt": "proxy"}


def test_a_machine_without_certificates_of_its_own(tmp_path: Path) -> None:
    assert image.machine_certificates(tmp_path / "missing") == {}


def test_another_image_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROUNDCREW_LAB_IMAGE", "mine:1")
    assert image.ensure("bookworm") == "mine:1"
