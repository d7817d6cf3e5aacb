"""`stored` secrets: from one command that prints all, or from the project's encrypted file."""

from __future__ import annotations

import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
import yaml
from pyrage import x25519

from groundcrew.commands import main, secrets
from groundcrew.settings import load_all, secret_store
from groundcrew.settings.encrypted import editing, identities
from groundcrew.settings.needs import Need
from groundcrew.settings.rows import rows
from tests.unit.project import Project

USES = "secrets: {KEY: {stored: shop.KEY}, PORT: {stored: PORT}}\n"
ALL = "inventory, group all"


def values(project: Project) -> dict[str, str]:
    read = project.load()["web1"].secrets["shop"]
    return {name: value.get_secret_value() for name, value in read.items()}


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("json", '{"shop": {"KEY": "q7-Kestrel # \\n"}, "PORT": 8675309.2500, "none": null}'),
        ("json", '{"shop.KEY": "q7-Kestrel # \\n", "PORT": "8675309.2500"}'),
        ("yaml", 'shop:\n  KEY: "q7-Kestrel # \\n"\nPORT: 8675309.2500\n'),
        ("dotenv", 'shop.KEY="q7-Kestrel # \\n"\n# a comment\nexport PORT=8675309.2500\n'),
    ],
)
def test_one_command_prints_many_secrets(project: Project, form: str, text: str) -> None:
    project.write("out", text)
    project.app(more=USES)
    project.all["secrets"] = {"command": "cat out", "format": form}
    assert values(project) == {"KEY": "q7-Kestrel # \n", "PORT": "8675309.2500"}


def test_the_command_runs_once_for_all_hosts_and_values(project: Project) -> None:
    project.write("out", '{"shop": {"KEY": "q7-Kestrel"}, "PORT": 8675309.2500}')
    project.app(more=USES + "build_secrets: {TOKEN: {stored: shop.KEY}}\n")
    project.hosts["web2"] = (["web"], {})
    project.all["secrets"] = {"command": "echo >> ran; cat out"}
    assert len(project.load()) == 2
    assert (project.root / "ran").read_text() == "\n"


def test_a_run_that_needs_no_secrets_does_not_run_it(project: Project) -> None:
    project.app(more=USES)
    project.all["secrets"] = {"command": "no-such-program; echo >> ran"}
    from groundcrew.roles.settings import HostSettings

    load_all(project.inventory(), HostSettings, project.root, frozenset({Need.KEYS}))
    # Nor one whose secrets come from elsewhere.
    project.write("apps/shop.yml", project.root.joinpath("apps/shop.yml").read_text()[: -len(USES)])
    project.load()
    assert not (project.root / "ran").exists()


@pytest.mark.parametrize(
    ("command", "form", "message"),
    [
        ("no-such-program -d x", "json",
         "this machine has no no-such-program: install it, or fix the command"),
        ("A=b ./gone | cat", "json", "this machine has no ./gone: install it, or fix the "
         "command"),
        ("echo q7-Kestrel; echo q7-Kestrel >&2; exit 5", "json",
         "echo ended with exit status 5. Its output may have secrets and is not shown: run the "
         "command by hand to see it"),
        ("echo q7-Kestrel", "json", "echo did not print a JSON object (secrets.format: json)"),
        ("echo '[1]'", "json", "echo did not print a JSON object (secrets.format: json)"),
        ("echo '[q7-Kestrel'", "yaml", "echo did not print a YAML mapping (secrets.format: yaml)"),
        ("echo q7-Kestrel", "dotenv", "echo did not print dotenv lines (secrets.format: dotenv)"),
        ("printf '\\377'", "json", "printf did not print a JSON object (secrets.format: json)"),
    ],
)  # fmt: skip
def test_a_command_that_fails_is_one_error_without_its_output(
    project: Project, command: str, form: str, message: str
) -> None:
    project.app(more=USES)
    project.hosts["web2"] = (["web"], {})
    project.all["secrets"] = {"command": command, "format": form}
    assert project.error() == (ALL, "secrets.command", message)


def test_a_name_that_the_command_does_not_print(project: Project) -> None:
    project.app(more="secrets: {KEY: {stored: shop.KEI}}\n")
    project.all["secrets"] = {"command": 'echo \'{"shop": {"KEY": "q7-Kestrel"}}\''}
    message = 'the output of secrets.command has no "shop.KEI"; did you mean "shop.KEY"?'
    assert project.error() == ("apps/shop.yml", "app.shop.secrets.KEY", message)


def test_the_settings_do_not_show_the_command(project: Project) -> None:
    project.app()
    project.all["secrets"] = {"command": "vault -token=q7-Kestrel"}
    shown = {row.key: row.value for row in rows(project.load()["web1"])}
    assert shown["secrets.command"] == "****** (command)"


@pytest.mark.parametrize(
    ("command", "program"),
    [
        ("sops -d x", "sops"),
        ("AWS_PROFILE='a b' /usr/bin/aws x", "/usr/bin/aws"),
        ("(cat x)", None),
        ("cat 'x", None),
        ("$HOME/x", None),
    ],
)
def test_the_program_of_a_command(command: str, program: str | None) -> None:
    assert secret_store.program_of(command) == program


@pytest.fixture
def home(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without keys, and the project of `groundcrew secrets`."""
    monkeypatch.setattr(secrets, "ROOT", project.root)
    for name in (identities.TEXT, identities.PATH, "XDG_CONFIG_HOME", "VISUAL", "EDITOR"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    return folder


def write(monkeypatch: pytest.MonkeyPatch, text: str) -> int:
    """`groundcrew secrets edit` with an editor that writes a text."""
    editor = Path.home() / "editor"
    editor.write_text(
        f'#!/bin/sh\ncp "$1" "$HOME/before"; stat -c "%a %n" "$1" "${{1%/*}}" > "$HOME/seen"\n'
        f"cat > \"$1\" <<'END'\n{text}\nEND\n"
    )
    editor.chmod(0o755)
    monkeypatch.setenv("EDITOR", f"{editor}")
    secret_store._of_file.cache_clear()
    return main(["secrets", "edit"])


def test_an_encrypted_file_from_the_first_day(
    project: Project,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    project.app(more=USES)
    layer, key, message = project.error()
    assert (layer, key) == ("defaults", "secrets.file")
    assert "`groundcrew secrets init` begins one" in message
    assert main(["secrets", "init"]) == 0
    own = home / ".config/groundcrew/age.key"
    assert stat.S_IMODE(own.stat().st_mode) == 0o600
    assert stat.S_IMODE(own.parent.stat().st_mode) == 0o700
    assert write(monkeypatch, "shop: {KEY: q7-Kestrel}\nPORT: 08675309.2500\nPEM: |\n  a\n  b") == 0
    assert "q7-Kestrel" not in capsys.readouterr().out
    assert values(project) == {"KEY": "q7-Kestrel", "PORT": "08675309.2500"}
    text = (project.root / "secrets.age.yml").read_text()
    assert "q7-Kestrel" not in text and re.search(r"^  shop:\n    KEY: \S{100,}$", text, re.M)
    # The editor's file was for this user alone, in memory, and is gone.
    modes = (home / "seen").read_text().splitlines()
    assert [line.split()[0] for line in modes] == ["600", "700"]
    folder = Path(modes[1].split()[1])
    assert folder.parent == editing.MEMORY and not folder.exists()
    main(["secrets", "show"])
    assert capsys.readouterr().out == (
        "shop:\n  KEY: q7-Kestrel\nPORT: '08675309.2500'\nPEM: |\n  a\n  b\n"
    )
    main(["secrets", "show", "PORT"])
    assert capsys.readouterr().out == "08675309.2500\n"
    assert main(["secrets", "show", "PROT"]) == 1
    assert 'has no "PROT"; did you mean "PORT"?' in capsys.readouterr().err


def test_a_diff_shows_what_has_changed(
    project: Project,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(["secrets", "init"])
    write(monkeypatch, "A: one\nB: two")
    file = project.root / "secrets.age.yml"
    first = file.read_text().splitlines()
    capsys.readouterr()
    assert write(monkeypatch, "A: one\nB: three\nC: four") == 0
    assert capsys.readouterr().out == ("secrets.age.yml: B: changed\nsecrets.age.yml: C: new\n")
    second = file.read_text().splitlines()
    names = [line.split(":")[0] for line in second if line not in first]
    assert names == ["  B", "  C"]
    assert (home / "before").read_text().endswith("\nA: one\nB: two\n")
    write(monkeypatch, "A: one\nB: three\nC: four")
    assert file.read_text().splitlines() == second


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("A: [q7-Kestrel", "line 2"),
        ("A: [q7-Kestrel]", "A: expected text"),
        ("A.B: q7-Kestrel", '"A.B": a name has letters, digits'),
        ("A: x\nA: q7-Kestrel", 'key "A" is given twice'),
        ("q7-Kestrel", "expected names with values"),
        ("A:", "A: expected text"),
    ],
)
def test_a_mistake_in_the_editor_changes_nothing(
    project: Project,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    text: str,
    told: str,
) -> None:
    main(["secrets", "init"])
    write(monkeypatch, "A: one")
    before = (project.root / "secrets.age.yml").read_bytes()
    assert write(monkeypatch, text) == 1
    errors = capsys.readouterr().err
    assert told in errors and "q7-Kestrel" not in errors
    assert (project.root / "secrets.age.yml").read_bytes() == before


def test_an_editor_that_fails_or_is_missing(
    project: Project,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(["secrets", "init"])
    for editor, told in (("false", "false ended with exit status 1; nothing"), ("nope", "nope is")):
        monkeypatch.setenv("EDITOR", editor)
        assert main(["secrets", "edit"]) == 1
        assert told in capsys.readouterr().err
    assert not (project.root / "secrets.age.yml").exists()
    assert not list(editing.MEMORY.glob("groundcrew-*"))


def test_a_second_person(
    project: Project,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(["secrets", "init"])
    write(monkeypatch, "shop: {KEY: q7-Kestrel}\nPORT: 8675309.2500")
    project.app(more=USES)
    other = x25519.Identity.generate()
    monkeypatch.setenv(identities.TEXT, str(other))
    secret_store._of_file.cache_clear()
    assert "is not encrypted for a key of this machine" in project.error()[2]
    capsys.readouterr()
    assert main(["secrets", "init"]) == 0
    told = capsys.readouterr().out
    assert str(other.to_public()) in told and "runs `groundcrew secrets rekey`" in told
    assert main(["secrets", "rekey"]) == 1
    monkeypatch.delenv(identities.TEXT)
    assert main(["secrets", "rekey"]) == 0
    assert "2 secrets encrypted for 2 recipients" in capsys.readouterr().out
    monkeypatch.setenv(identities.TEXT, str(other))
    secret_store._of_file.cache_clear()
    assert values(project) == {"KEY": "q7-Kestrel", "PORT": "8675309.2500"}
    # Who is taken off the list cannot read what is written from then on.
    listed = project.root / "secrets.age.recipients"
    listed.write_text(f"{other.to_public()}  # ci\n")
    write(monkeypatch, "shop: {KEY: q7-Kestrel}\nPORT: 8675309.2500")
    monkeypatch.delenv(identities.TEXT)
    assert main(["secrets", "show"]) == 1


def test_ssh_keys(
    project: Project,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (home / ".ssh").mkdir()
    for name, word in (("id_ed25519", ""), ("id_rsa", "q7-Kestrel")):
        kind = name.removeprefix("id_")
        key = home / ".ssh" / name
        subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", word, "-f", str(key)], check=True)
    public = (home / ".ssh/id_ed25519.pub").read_text()
    (project.root / "secrets.age.recipients").write_text(f"# ann\n\n{public}")
    assert write(monkeypatch, "A: one") == 0
    assert main(["secrets", "show", "A"]) == 0
    assert capsys.readouterr().out.endswith("one\n")
    # Only the key with a passphrase fits.
    public = (home / ".ssh/id_rsa.pub").read_text()
    (project.root / "secrets.age.recipients").write_text(public)
    main(["secrets", "rekey"])
    assert main(["secrets", "show"]) == 1
    assert "id_rsa has a passphrase" in capsys.readouterr().err


def test_values_cannot_be_exchanged_between_names(
    project: Project,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(["secrets", "init"])
    write(monkeypatch, "A: one\nB: two")
    file = project.root / "secrets.age.yml"
    data = yaml.safe_load(file.read_text())
    for value, told in (
        (data["values"]["B"], "A has the encrypted value of another name"),
        ("AAAA", "A is damaged: it cannot be decrypted"),
        ("?", "A is damaged: it is no text of age"),
    ):
        data["values"]["A"] = value
        file.write_text(yaml.safe_dump(data))
        assert main(["secrets", "show"]) == 1
        assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("age1nope\n", "secrets.age.recipients, line 1: no public key of age"),
        ("# nobody\n", "lists no public key"),
        (None, "`groundcrew secrets init` makes a key and this list"),
    ],
)
def test_a_list_of_recipients_that_cannot_be(
    project: Project, home: Path, capsys: pytest.CaptureFixture[str], text: str | None, told: str
) -> None:
    if text:
        project.write("secrets.age.recipients", text)
    assert main(["secrets", "edit"]) == 1
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        (identities.TEXT, "AGE-SECRET-KEY-1NOPE", "GROUNDCREW_AGE_KEY: a line is no valid age key"),
        (identities.TEXT, "nope", "has neither an age key"),
        (identities.PATH, "/nowhere", "/nowhere cannot be read"),
    ],
)
def test_a_key_that_cannot_be(
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    name: str,
    value: str,
    told: str,
) -> None:
    monkeypatch.setenv(name, value)
    assert main(["secrets", "init"]) == 1
    assert told in capsys.readouterr().err


@pytest.mark.skipif(not shutil.which("age"), reason="needs age")
def test_the_program_age_decrypts_a_value(
    project: Project, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    main(["secrets", "init"])
    write(monkeypatch, "A: one")
    value = yaml.safe_load((project.root / "secrets.age.yml").read_text())["values"]["A"]
    line = f"printf %s {value} | base64 -d | age -d -i ~/.config/groundcrew/age.key"
    assert subprocess.check_output(line, shell=True, text=True) == '["A", "one"]'
