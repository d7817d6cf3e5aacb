"""What is said when a lab host does not start."""

from __future__ import annotations

from pathlib import Path

import pytest

from groundcrew.lab import containers


@pytest.mark.parametrize(("limit", "advises"), [("128\n", True), ("1024\n", False), ("", False)])
def test_a_machine_with_too_many_hosts_is_told_which_limit_to_raise(
    limit: str, advises: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "limit").write_text(limit)
    monkeypatch.setattr(containers, "INSTANCES", tmp_path / "limit")
    assert ("fs.inotify.max_user_instances=1024" in containers.many_hosts()) is advises


def test_other_systems_have_no_such_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "INSTANCES", tmp_path / "none")
    assert not containers.many_hosts()
