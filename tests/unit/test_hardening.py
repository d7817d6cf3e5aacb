from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from pydantic import ValidationError

from groundcrew.entries import Absent, Directory, Entry, File
from groundcrew.facts.apt import Removable
from groundcrew.roles.base import hardening_files
from groundcrew.roles.base.hardening_files import AUDIT_RULES
from groundcrew.roles.base.hardening_plan import COMPILED_RULES, hardening_plan
from groundcrew.roles.base.settings import BaseSettings
from groundcrew.roles.settings import HostSettings
from groundcrew.roles.strict import STRICT
from groundcrew.roles.users import pam
from groundcrew.roles.users.logins import LoginsSettings
from groundcrew.settings.load import load_host
from groundcrew.settings.merge import Layer
from tests.unit.test_role_base import state

ALL = LoginsSettings.model_validate(STRICT["users"]["logins"])


def base(**values: Any) -> BaseSettings:
    return BaseSettings.model_validate(values)


def loaded(tmp_path: Path, **data: Any) -> HostSettings:
    host, problems = load_host([Layer("group_data/all.py", data)], HostSettings, tmp_path)
    assert host, problems
    return host.settings


def test_strict_is_a_set_of_defaults_that_each_layer_changes(tmp_path: Path) -> None:
    strict = loaded(tmp_path, base={"hardening": "strict"})
    assert strict.ssh.admins_only and strict.users.logins == ALL
    assert strict.base.security_packages["aide"] and strict.base.packages_off["telnet"]
    own = loaded(
        tmp_path,
        base={"hardening": "strict", "idle_logout": 0, "security_packages": {"aide": False}},
        ssh={"admins_only": False},
        users={"logins": {"su_group": None}},
    )
    assert (own.base.idle_logout, own.ssh.admins_only, own.users.logins.su_group) == (
        0,
        False,
        None,
    )
    assert "aide" not in hardening_files.packages(own.base)
    assert "debsums" in hardening_files.packages(own.base)
    assert loaded(tmp_path) == loaded(tmp_path, base={"hardening": "baseline"})


def test_a_wrong_level_is_named(tmp_path: Path) -> None:
    layer = Layer("group_data/all.py", {"base": {"hardening": "paranoid"}})
    host, problems = load_host([layer], HostSettings, tmp_path)
    assert host is None
    assert [(item.key, item.layer) for item in problems] == [("base.hardening", layer.name)]


def paths(entries: list[Entry]) -> dict[str, Any]:
    return {entry.path: entry for entry in entries if isinstance(entry, (File, Directory, Absent))}


def test_the_baseline_has_no_files_of_strict() -> None:
    assert hardening_files.entries(base()) == []
    assert {type(entry) for entry in pam.entries(LoginsSettings())} == {Absent}


def test_files_of_strict() -> None:
    entries = paths(hardening_files.entries(base(**STRICT["base"])))
    assert entries["/etc/cron.allow"].content == "root\n"
    assert entries["/etc/cron.d"].mode == "0700"
    assert "restart} = 'l'" in entries["/etc/needrestart/conf.d/50-groundcrew.conf"].content
    assert "-k identity" in entries[AUDIT_RULES].content
    assert entries["/etc/aide/aide.conf"].mode == "0600"


@pytest.mark.parametrize(
    "wrong",
    [
        {"login_defs": {"UMASK": "027\nrm"}},
        {"login_defs": {"umask": "027"}},
        {"cron_users": ["root; rm"]},
        {"security_packages": {"aide; rm": True}},
        {"packages_off": {"telnet": "maybe"}},
        {"auditd": "sometimes"},
    ],
)
def test_wrong_values_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        base(**wrong)


def plan(host: dict[str, Any], **values: Any) -> tuple[list[str], list[str]]:
    return hardening_plan(base(**values), state(**host))


def test_login_defs_are_set_where_they_differ(tmp_path: Path) -> None:
    keys = {"login_defs": {"UMASK": "022"}}
    commands, _ = plan(keys, login_defs={"UMASK": "027", "SHA_CRYPT_MIN_ROUNDS": 5000})
    file = tmp_path / "login.defs"
    file.write_text("# UMASK is\nUMASK\t\t022\nENCRYPT_METHOD YESCRYPT\n")
    script = "; ".join(commands).replace("/etc/login.defs", str(file))
    subprocess.run(["sh", "-ec", script], check=True)
    assert file.read_text() == (
        "# UMASK is\nENCRYPT_METHOD YESCRYPT\nSHA_CRYPT_MIN_ROUNDS\t5000\nUMASK\t027\n"
    )
    assert plan({"login_defs": {"UMASK": "027"}}, login_defs={"UMASK": "027"}) == ([], [])
    assert plan(keys, login_defs={"UMASK": None}) == ([], [])


def test_open_files_are_closed() -> None:
    """By their owner: a link that somebody has put in a file's place leads to nothing of root's."""
    with TemporaryDirectory() as folder:
        root = Path(folder)
        home, own, secret = root / "a b", root / "crontab", root / "secret"
        home.mkdir()
        for path in (root, home):
            path.chmod(0o755)
        for path in (home / ".bashrc", own, secret):
            path.touch()
            path.chmod(0o666)
        (home / ".profile").symlink_to(secret)
        for path in (home, home / ".bashrc", home / ".profile"):
            os.lchown(path, 65534, 65534)
        dotfiles = [str(home / ".bashrc"), str(home / ".profile")]
        commands, _ = plan({"dotfiles": dotfiles, "open_files": [str(own)]})
        subprocess.run(["sh", "-c", "; ".join(commands)], check=False, capture_output=True)
        modes = [path.stat().st_mode & 0o777 for path in (home / ".bashrc", own, secret)]
    assert modes == [0o640, 0o600, 0o666]


def test_aide_begins_where_it_has_no_database() -> None:
    wanted = {"security_packages": {"aide": True}}
    assert plan({}, **wanted)[0] == ["systemctl start --no-block aidecheck.service"]
    assert plan({"aide_is_ready": True}, **wanted)[0] == []


def test_auditd_runs_where_the_kernel_is_the_hosts_own() -> None:
    assert plan({"container": True}, auditd=True)[1] == [
        "auditd: a container does not have the machine's audit trail"
    ]
    commands, _ = plan({"modified": {AUDIT_RULES: 2.0}}, auditd=True)
    assert "auditd" in commands[0] and commands[1] == "augenrules --load"
    there = {"auditd": True, "modified": {AUDIT_RULES: 2.0, COMPILED_RULES: 3.0}}
    assert plan(there, auditd=True) == ([], [])
    there["modified"] = {AUDIT_RULES: 4.0, COMPILED_RULES: 3.0}
    assert plan(there, auditd=True)[0] == ["augenrules --load"]


@pytest.mark.parametrize(
    ("apparmor", "commands", "reasons"),
    [
        ({"kernel": True, "enabled": True, "tools": True}, 0, 0),
        ({"kernel": True, "enabled": True, "tools": False}, 1, 0),
        ({"kernel": True, "enabled": False, "tools": False}, 0, 1),
        ({"kernel": False, "enabled": False, "tools": False}, 0, 1),
    ],
)
def test_apparmor(apparmor: dict[str, bool], commands: int, reasons: int) -> None:
    done = plan({"apparmor": apparmor})
    assert (len(done[0]), len(done[1])) == (commands, reasons)
    assert plan({"apparmor": apparmor, "container": True}) == ([], [])
    assert plan({"apparmor": apparmor}, apparmor=False) == ([], [])


def test_packages_go_only_if_nothing_else_does() -> None:
    fact = Removable()
    assert fact.process(["cups cups-daemon=cups cups-daemon"]) == ["cups", "cups-daemon"]
    alone = ["talk rpcbind=nfs-common rpcbind talk", "talk=talk", "rpcbind=nfs-common rpcbind"]
    assert fact.process(alone) == ["talk"]
    assert fact.process(["talk="]) == []


def test_pam_in_both_directions(tmp_path: Path) -> None:
    """The script, with the commands that need a host left out."""
    su, auth = tmp_path / "su", tmp_path / "common-auth"
    su.write_text("# rootok\nauth       sufficient pam_rootok.so\n@include common-auth\n")
    auth.write_text("auth\t[success=1 default=ignore]\tpam_unix.so nullok\n")
    before = su.read_text(), auth.read_text()

    def run(settings: LoginsSettings) -> None:
        text = pam.script(settings).replace("/etc/pam.d/su", str(su))
        text = text.replace("/etc/pam.d/common-auth", str(auth))
        lines = [line for line in text.splitlines() if "pam-auth-update" not in line]
        lines = [line for line in lines if not line.startswith(("getent", "grep -q pam_"))]
        subprocess.run(["sh", "-ec", "\n".join(lines)], check=True)

    for _ in range(2):
        run(ALL)
        assert "nullok" not in auth.read_text()
        assert su.read_text().splitlines()[2] == (
            "auth       required   pam_wheel.so use_uid group=sugroup # groundcrew"
        )
    run(LoginsSettings())
    assert (su.read_text(), auth.read_text()) == before


def test_what_has_been_done_differs_with_each_setting() -> None:
    scripts = {pam.script(LoginsSettings()), pam.script(ALL)}
    for change in ({"failures": 0}, {"password_history": 0}, {"su_group": None}):
        scripts.add(pam.script(ALL.model_copy(update=change)))
    assert len(scripts) == 5
    assert "even_deny_root" not in str(paths(pam.entries(ALL))[pam.FAILLOCK].content)


def test_tmp_is_mounted_at_the_next_boot() -> None:
    units = {**state()["units"], "tmp.mount": {"UnitFileState": "disabled"}}
    commands, _ = plan({"units": units}, tmp_mount="noexec")
    [command] = commands
    assert command.endswith("systemctl daemon-reload && systemctl --quiet enable tmp.mount")
    assert plan({}, tmp_mount="tmpfs") == ([], [])
    assert plan({"units": units})[0] == []
    assert "engine" in plan({"container": True}, tmp_mount="tmpfs")[1][0]
    entries = paths(hardening_files.entries(base(tmp_mount="noexec")))
    content = entries["/etc/systemd/system/tmp.mount"].content
    [condition] = re.findall(r"ConditionPathExists=!(\S+)", content)
    assert f"touch {condition} && " in command
    assert "nosuid,nodev,size=50%,nr_inodes=1m,noexec\n" in content.replace("%%", "%")
