from __future__ import annotations

from pathlib import Path

import pytest
from paramiko import RSAKey
from pydantic import ValidationError

from groundcrew.entries import Absent, Entry, File
from groundcrew.roles.users import keys
from groundcrew.roles.users.builders import SUDOERS, entries, users
from groundcrew.roles.users.settings import UsersSettings
from tests.unit.project import Project

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGGBO1GqMNxIi2ilIrBYJEPHY4bXAaZCYvSTV8cWlJzo me"


def settings(**admins: object) -> UsersSettings:
    return UsersSettings.model_validate({"admins": admins})


def by_path(listed: list[Entry]) -> dict[str, File]:
    return {entry.path: entry for entry in listed if isinstance(entry, File)}


def test_each_admin_gets_own_keys_or_else_the_operators() -> None:
    files = by_path(entries(settings(ann={"keys": [KEY]}, bob={}), ["ssh-ed25519 OPERATOR"]))
    ann, bob = (files[f"/home/{name}/.ssh/authorized_keys"] for name in ("ann", "bob"))
    assert KEY in str(ann.content) and "OPERATOR" not in str(ann.content)
    assert "ssh-ed25519 OPERATOR" in str(bob.content)
    assert (bob.user, bob.mode) == ("bob", "0600")


def test_a_removed_admin_loses_sudo_and_keys() -> None:
    configured = settings(ann={"keys": [KEY]}, bob=None)
    assert [user.name for user in users(configured)] == ["ann"]
    sudoers = by_path(entries(configured, []))[SUDOERS]
    assert "bob" not in str(sudoers.content)
    assert Absent("/home/bob/.ssh/authorized_keys") in entries(configured, [])
    assert (sudoers.mode, sudoers.validate) == ("0440", "visudo -cqf {}")


def test_keys_may_be_files_that_hold_a_public_key(tmp_path: Path) -> None:
    (tmp_path / "id.pub").write_text(KEY + "\n")
    files = by_path(entries(settings(ann={"keys": [str(tmp_path / "id.pub")]}), []))
    assert KEY in str(files["/home/ann/.ssh/authorized_keys"].content)


@pytest.mark.parametrize("content", [None, "-----BEGIN OPENSSH PRIVATE KEY-----\n"])
def test_other_files_are_refused(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "key"
    if content:
        path.write_text(content)
    with pytest.raises(ValidationError, match="public key"):
        settings(ann={"keys": [str(path)]})


def test_the_operators_keys_come_from_the_run_the_agent_or_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "agent_keys", lambda: ())
    assert keys.operator_keys(None, tmp_path) is None
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/id_ed25519.pub").write_text(KEY + "\n")
    assert keys.operator_keys(None, tmp_path) == (
        (KEY,),
        str(tmp_path / ".ssh/id_ed25519.pub"),
    )
    monkeypatch.setattr(keys, "agent_keys", lambda: ("ssh-ed25519 AGENT",))
    assert keys.operator_keys(None, tmp_path) == (("ssh-ed25519 AGENT",), "SSH agent")
    session_key = RSAKey.generate(2048)
    operator = keys.operator_keys(session_key, tmp_path)
    assert operator is not None
    assert operator.keys[0].startswith(f"ssh-rsa {session_key.get_base64()}")


def test_the_key_that_let_the_run_in_is_among_the_operators(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = RSAKey.generate(2048)
    monkeypatch.setattr(keys, "agent_keys", lambda: ())
    operator = keys.operator_keys(None, tmp_path, used)
    assert operator is not None and operator.keys == (keys.public_text(used),)
    # Named by ~/.ssh/config only, beside the usual one.
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/id_ed25519.pub").write_text(KEY)
    operator = keys.operator_keys(None, tmp_path, used)
    assert operator is not None and operator.keys == (keys.public_text(used), KEY)
    (tmp_path / ".ssh/id_rsa.pub").write_text(f"ssh-rsa {used.get_base64()} me@desk")
    operator = keys.operator_keys(None, tmp_path, used)
    assert operator is not None and operator.keys == (KEY, f"ssh-rsa {used.get_base64()} me@desk")


@pytest.mark.parametrize(("bits", "least", "refused"), [(2048, 3072, True), (2048, 2048, False)])
def test_keys_that_sshd_will_refuse_are_refused_before(
    project: Project, bits: int, least: int, refused: bool
) -> None:
    key = f"ssh-rsa {RSAKey.generate(bits).get_base64()} ann"
    project.all = {
        "users": {"admins": {"ann": {"keys": [KEY, key]}}},
        "ssh": {"required_rsa_size": least},
    }
    if not refused:
        assert project.settings().ssh.required_rsa_size == least
        return
    layer, name, message = project.error()
    assert (layer, name) == ("inventory, group all", "users.admins.ann.keys.1")
    assert message.startswith("is RSA with 2048 bits; ssh.required_rsa_size is 3072: make another")


def test_dsa_keys_are_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "id_dsa.pub").write_text("ssh-dss AAAAB3NzaC1kc3MAAACB me\n")
    for key in ("ssh-dss AAAAB3NzaC1kc3MAAACB me", str(tmp_path / "id_dsa.pub")):
        with pytest.raises(ValidationError, match="a DSA key, which sshd does not take"):
            settings(ann={"keys": [key]})


@pytest.mark.parametrize(
    ("name", "meant"), [("Ann", "ann"), ("ann.lee", "ann-lee"), ("Jörg Müller", "jorg-muller")]
)
def test_a_name_that_is_none_is_told_in_words(project: Project, name: str, meant: str) -> None:
    project.all = {"users": {"admins": {name: {"keys": [KEY]}}}}
    _, key, message = project.error()
    assert key == f"users.admins.{name}"
    assert message == (
        "expected a name of 1 to 32 lower-case letters, digits, _ and -, beginning with a letter "
        f'or _ as key; did you mean "{meant}"?'
    )
