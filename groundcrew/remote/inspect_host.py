"""Reports the state of a host's base system, except for files.

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
from typing import TYPE_CHECKING

from groundcrew.remote.container import in_container

if TYPE_CHECKING:
    # Types of the reports, shared with the facts; never sent to a host.
    from groundcrew.facts.base import AppArmor, BaseState, KernelParameter, SwapFile

CERTIFICATES = Path("/usr/local/share/ca-certificates")
BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
HOSTS = ("/etc/hosts", "/etc/cloud/templates/hosts.debian.tmpl")
PROPERTIES = (
    "LoadState",
    "ActiveState",
    "SubState",
    "UnitFileState",
    "NeedDaemonReload",
    "ActiveEnterTimestamp",
)


def output_of(*command: str) -> str:
    """Standard output of a command; empty if the command does not exist."""
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return result.stdout


def kernel_parameter(key: str) -> KernelParameter | None:
    """Value of a kernel parameter and whether it can be set; None if it does not exist."""
    path = Path("/proc/sys", *key.split("."))
    try:
        value = " ".join(path.read_text().split())
    except OSError:
        return None
    return {"value": value, "writable": os.access(path, os.W_OK)}


def certificates_are_stale() -> bool:
    """Whether the bundle must be rebuilt with the certificates in /usr/local."""
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


def swap_file() -> SwapFile:
    """Size of /swapfile in MiB, and whether it is in use."""
    path = Path("/swapfile")
    size = path.stat().st_size // 2**20 if path.exists() else 0
    return {"mib": size, "active": "/swapfile " in Path("/proc/swaps").read_text()}


def own_hosts() -> dict[str, list[str]]:
    """Lines managed by groundcrew in /etc/hosts and in cloud-init's template for it."""
    own_lines = {}
    for path in HOSTS:
        try:
            lines = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            continue
        own_lines[path] = [line for line in lines if line.endswith("# groundcrew")]
    return own_lines


def login_defs(keys: list[str]) -> dict[str, str | None]:
    """Values in /etc/login.defs; None for keys that are not set."""
    values: dict[str, str | None] = dict.fromkeys(keys)
    try:
        lines = Path("/etc/login.defs").read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return values
    for line in lines:
        key, _, value = line.strip().replace("\t", " ").partition(" ")
        if key in values:
            values[key] = value.strip()
    return values


def open_dotfiles(asked: bool) -> list[str]:
    """Hidden files in users' homes and /etc/skel that can be written by their group or accessed by
    others. Names that are not printable are left out: no one could act on them."""
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
    """Whether the path is a regular file that its group can write or execute, or others can
    access."""
    try:
        mode = path.lstat().st_mode
    except OSError:
        # The owner may remove it at any time.
        return False
    return stat.S_ISREG(mode) and bool(mode & 0o037)


def open_files(paths: list[str]) -> list[str]:
    """The files that anyone but their owner can access."""
    return [path for path in paths if os.path.exists(path) and os.stat(path).st_mode & 0o077]


def apparmor() -> AppArmor:
    """Whether the kernel has AppArmor, whether it is enabled, and whether its profiles can be
    loaded."""
    module = Path("/sys/module/apparmor/parameters/enabled")
    present = module.exists()
    return {
        "kernel": present,
        "enabled": present and module.read_text().strip() == "Y",
        "tools": Path("/usr/sbin/apparmor_parser").exists(),
    }


def aide_is_ready(asked: bool) -> bool:
    """Whether aide has a database or is creating one."""
    if not asked:
        return False
    state = output_of("systemctl", "is-active", "aidecheck.service").strip()
    return state in ("active", "activating") or Path("/var/lib/aide/aide.db").exists()


def main() -> int:
    """Prints the report."""
    request = json.loads(sys.argv[1])
    modified = {path: os.stat(path).st_mtime for path in request["files"] if os.path.exists(path)}
    report: BaseState = {
        "container": in_container(),
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
