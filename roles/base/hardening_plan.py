"""Commands that apply the hardening settings. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import PurePath

from groundcrew.facts.base import BaseState
from groundcrew.operations.apt import install_script
from groundcrew.roles.base.hardening_files import (
    AIDE_SERVICE,
    AUDIT_RULES,
    TMP_MOUNT,
    TMP_UNTIL_BOOT,
)
from groundcrew.roles.base.settings import BaseSettings

COMPILED_RULES = "/etc/audit/audit.rules"
AUDIT_FILES = (AUDIT_RULES, COMPILED_RULES)


def hardening_plan(settings: BaseSettings, state: BaseState) -> tuple[list[str], list[str]]:
    """Shell commands, and the settings that this host cannot apply, with the reason."""
    commands = [*_login_defs(settings, state), *_dotfiles(state)]
    if settings.security_packages.get("aide") and not state["aide_is_ready"]:
        commands.append(f"systemctl start --no-block {AIDE_SERVICE}")
    reasons: list[str] = []
    _apparmor(settings, state, commands, reasons)
    _auditd(settings, state, commands, reasons)
    if settings.tmp_mount != "leave":
        if state["container"]:
            reasons.append("tmp.mount: a container's engine mounts its /tmp")
        elif state["units"][TMP_MOUNT]["UnitFileState"] != "enabled":
            # The mount unit must wait for the next boot: any unit with PrivateTmp would start it.
            commands.append(
                f"mkdir -p {PurePath(TMP_UNTIL_BOOT).parent} && touch {TMP_UNTIL_BOOT} && "
                f"systemctl daemon-reload && systemctl --quiet enable {TMP_MOUNT}"
            )
    return commands, reasons


def _login_defs(settings: BaseSettings, state: BaseState) -> list[str]:
    commands = []
    for key, wanted in sorted(settings.login_defs.items()):
        if wanted is not None and state["login_defs"].get(key) != str(wanted):
            line = shlex.quote(f"{key}\t{wanted}")
            commands.append(f"sed -i -E '/^\\s*{key}\\s/d' /etc/login.defs")
            commands.append(f"echo {line} >> /etc/login.defs")
    return commands


def _dotfiles(state: BaseState) -> list[str]:
    commands = []
    if files := state["dotfiles"]:
        commands.append(_chmod("g-wx,o-rwx", files))
    if files := state["open_files"]:
        commands.append(_chmod("go-rwx", files))
    return commands


def _chmod(mode: str, paths: Sequence[str]) -> str:
    """Shell command that changes the mode of files, run as their owners: an owner could swap a file
    for a link to anything. Files of root are changed only in directories of root."""
    return (
        f"for file in {shlex.join(paths)}; do "
        'owner=$(stat --format=%U -- "$file"); '
        'if [ "$owner" != root ] || [ "$(stat --format=%U -- "${file%/*}")" = root ]; then '
        f'runuser -u "$owner" -- chmod {mode} -- "$file"; fi; done'
    )


def _apparmor(
    settings: BaseSettings, state: BaseState, commands: list[str], reasons: list[str]
) -> None:
    if not settings.apparmor or state["container"]:
        return
    apparmor = state["apparmor"]
    if not apparmor["kernel"]:
        reasons.append("AppArmor: this kernel does not have it")
    elif not apparmor["enabled"]:
        reasons.append("AppArmor: off by the kernel's command line")
    elif not apparmor["tools"]:
        commands.append(_install(settings, "apparmor"))


def _auditd(
    settings: BaseSettings, state: BaseState, commands: list[str], reasons: list[str]
) -> None:
    if not settings.auditd:
        return
    if state["container"]:
        reasons.append("auditd: a container does not have the machine's audit trail")
        return
    if not state["auditd"]:
        commands.append(_install(settings, "auditd"))
    written = state["modified"]
    if written.get(AUDIT_RULES, 0.0) > written.get(COMPILED_RULES, 0.0):
        commands.append("augenrules --load")


def _install(settings: BaseSettings, package: str) -> str:
    return install_script([package], update=True, lock_timeout=settings.apt_lock_timeout)
