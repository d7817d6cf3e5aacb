"""Reports what the base of a host looks like, for everything that is not a file.

Runs on the host as `python3 -c SCRIPT REQUEST`; REQUEST is JSON {"sysctl": [keys], "units":
[names], "files": [paths], "login_defs": [keys], "dotfiles": bool, "private": [paths], "aide":
bool}. Prints one line of JSON. Standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import json
import os
import pwd
import socket
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

CERTIFICATES = Path("/usr/local/share/ca-certificates")
BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
PROPERTIES = (
    "LoadState",
    "ActiveState",
    "SubState",
    "UnitFileState",
    "NeedDaemonReload",
    "ActiveEnterTimestamp",
)


def output_of(*command: str) -> str:
    """Standard output of a command; nothing where the command does not exist."""
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return result.stdout


def kernel_parameter(key: str) -> dict[str, Any] | None:
    """Value of a kernel parameter and whether it can be set; None where there is none."""
    path = Path("/proc/sys", *key.split("."))
    try:
        value = " ".join(path.read_text().split())
    except OSError:
        return None
    return {"value": value, "writable": os.access(path, os.W_OK)}


def certificates_are_stale() -> bool:
    """Whether the bundle has to be made anew from the certificates of /usr/local."""
    present = set(CERTIFICATES.glob("*.crt"))
    if not BUNDLE.exists():
        return bool(present)
    since = BUNDLE.stat().st_mtime
    linked = {link.resolve() for link in BUNDLE.parent.glob("*.pem") if link.is_symlink()}
    gone = [path for path in linked if path.parent == CERTIFICATES and not path.exists()]
    newer = [path for path in present if path.stat().st_mtime > since]
    return bool(gone or newer or present - linked)


def units(names: list[str]) -> dict[str, dict[str, str]]:
    """Properties of systemd units, by name."""
    properties = (
        "LoadState,ActiveState,SubState,UnitFileState,NeedDaemonReload,ActiveEnterTimestamp"
    )
    output = output_of(
        "systemctl", "show", "--timestamp=us+utc", f"--property={properties}", *names
    )
    blocks = [
        dict(line.split("=", 1) for line in block.splitlines())
        for block in output.strip().split("\n\n")
    ]
    return {name: blocks[index] for index, name in enumerate(names)}


def swap_file() -> dict[str, Any]:
    """Size of /swapfile in MiB, and whether it is in use."""
    path = Path("/swapfile")
    size = path.stat().st_size // 2**20 if path.exists() else 0
    return {"mib": size, "active": "/swapfile " in Path("/proc/swaps").read_text()}


def own_hosts() -> list[str]:
    """The lines of /etc/hosts that are ours."""
    try:
        lines = Path("/etc/hosts").read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    return [line for line in lines if line.endswith("# groundcrew")]


def login_defs(keys: list[str]) -> dict[str, str | None]:
    """Values in /etc/login.defs; None where there is none."""
    found: dict[str, str | None] = dict.fromkeys(keys)
    try:
        lines = Path("/etc/login.defs").read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return found
    for line in lines:
        key, _, value = line.strip().replace("\t", " ").partition(" ")
        if key in found:
            found[key] = value.strip()
    return found


def open_dotfiles(asked: bool) -> list[str]:
    """Hidden files in people's homes, those to come too, that others than they and their group may
    read or change. What is no text for a name is left out: nobody could say it."""
    if not asked:
        return []
    people = [user for user in pwd.getpwall() if 1000 <= user.pw_uid < 60000]
    homes = [user.pw_dir for user in people if user.pw_dir.startswith("/home/")]
    return sorted(
        str(path)
        for home in [*homes, "/etc/skel"]
        for path in Path(home).glob(".[!.]*")
        if is_open(path) and str(path).isprintable()
    )


def is_open(path: Path) -> bool:
    """Whether it is a file, and no link to one, that others may read or change."""
    try:
        mode = path.lstat().st_mode
    except OSError:
        # Its owner may remove it at any time.
        return False
    return stat.S_ISREG(mode) and bool(mode & 0o037)


def open_files(paths: list[str]) -> list[str]:
    """Those that others than their owner may read or change."""
    return [path for path in paths if os.path.exists(path) and os.stat(path).st_mode & 0o077]


def apparmor() -> dict[str, bool]:
    """Whether the kernel has AppArmor, whether it is on, and whether its profiles can be loaded."""
    module = Path("/sys/module/apparmor/parameters/enabled")
    present = module.exists()
    return {
        "kernel": present,
        "enabled": present and module.read_text().strip() == "Y",
        "tools": Path("/usr/sbin/apparmor_parser").exists(),
    }


def aide_is_ready(asked: bool) -> bool:
    """Whether aide has a database, or is making one."""
    if not asked:
        return False
    state = output_of("systemctl", "is-active", "aidecheck.service").strip()
    return state in ("active", "activating") or Path("/var/lib/aide/aide.db").exists()


def main() -> int:
    """Prints the report."""
    request = json.loads(sys.argv[1])
    modified = {path: os.stat(path).st_mtime for path in request["files"] if os.path.exists(path)}
    report = {
        "container": output_of("systemd-detect-virt", "--container").strip() not in ("", "none"),
        "hostname": socket.gethostname(),
        "hosts": own_hosts(),
        "locales": output_of("locale", "-a").split(),
        "sysctl": {key: kernel_parameter(key) for key in request["sysctl"]},
        "units": units(request["units"]),
        "modified": modified,
        "swap": swap_file(),
        "certificates_are_stale": certificates_are_stale(),
        "login_defs": login_defs(request["login_defs"]),
        "dotfiles": open_dotfiles(request["dotfiles"]),
        "open_files": open_files(request["private"]),
        "apparmor": apparmor(),
        "aide_is_ready": aide_is_ready(request["aide"]),
        "auditd": os.path.exists("/usr/sbin/auditd"),
    }
    print(json.dumps(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
