"""Reports sshd's effective configuration, or validates it.

Runs on the host as `python3 -c SCRIPT [EXPECTED]`. Without EXPECTED it prints one line of JSON:
{"version": [major, minor], "effective": {keyword: [values]}, "algorithms": {keyword: [names]},
"host_keys": {type: bits}, "taken": {TCP port: other program that listens there}, "ports": [TCP
ports of the SSH server], "socket": whether ssh.socket listens for sshd}. With EXPECTED (JSON,
keyword -> [values]) it is a validator: exit 0 if `sshd -T` prints exactly these values, else 1 and
every difference, with the files that set the keyword. Standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from groundcrew.remote.commands import run
from groundcrew.remote.listeners import Listener, Process, listeners

if TYPE_CHECKING:
    # Types of the report, shared with what reads it; never sent to a host.
    from groundcrew.facts.sshd import SshdReport

SSH = Path("/etc/ssh")
ALGORITHMS = (
    "kexalgorithms",
    "ciphers",
    "macs",
    "hostkeyalgorithms",
    "pubkeyacceptedalgorithms",
)
OURS = ("sshd", "systemd")
"""Programs of root that listen for SSH."""

SSHD = Process("sshd", 0)
SOCKET_PROPERTIES = "ActiveState,UnitFileState,Listen"
STARTED = ("enabled", "enabled-runtime", "static", "alias", "indirect", "generated")
"""States of a unit that starts by itself, as `systemctl is-enabled` judges."""


def output_of(*command: str) -> str:
    """Standard output and standard error of a command, whatever its exit status; nothing without
    the program."""
    try:
        result = run(*command)
    except FileNotFoundError:
        return ""
    return result.stdout + result.stderr


def effective() -> dict[str, list[str]]:
    """The output of `sshd -T`, as keyword -> [values]. Raises RuntimeError with sshd's message."""
    # sshd requires this directory, which is missing unless ssh.service runs.
    os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
    result = subprocess.run(["/usr/sbin/sshd", "-T"], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise RuntimeError(result.stderr.strip())
    values: dict[str, list[str]] = {}
    for line in result.stdout.splitlines():
        keyword, _, value = line.partition(" ")
        values.setdefault(keyword, []).append(value)
    return values


def host_keys() -> dict[str, int]:
    """Size of each host key in bits, by type."""
    texts = []
    for path in sorted(SSH.glob("ssh_host_*_key.pub")):
        with contextlib.suppress(OSError):
            texts.append(path.read_text(errors="replace"))
    try:
        told = subprocess.run(
            ["ssh-keygen", "-lf", "-"],
            input="\n".join(texts),
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except FileNotFoundError:
        return {}
    matches = (re.match(r"(\d+) .*\((\S+)\)$", line) for line in told.stdout.splitlines())
    return {match[2].lower(): int(match[1]) for match in matches if match}


def taken(sockets: Iterable[Listener]) -> dict[str, str]:
    """The ports that programs other than root's sshd listen on."""
    ports = {}
    for item in sockets:
        others = [one for one in item.processes if item.user or one.user or one.name not in OURS]
        if others:
            ports[str(item.port)] = others[0].name
    return ports


def own_ports(sockets: Iterable[Listener]) -> list[int]:
    """The ports that root's sshd listens on."""
    return [item.port for item in sockets if not item.user and SSHD in item.processes]


def socket_ports(shown: str) -> list[int]:
    """The ports of ssh.socket from `systemctl show`; none if it is not in use: Debian installs it,
    and does not use it."""
    lines = shown.splitlines()
    used = "ActiveState=active" in lines or any(f"UnitFileState={it}" in lines for it in STARTED)
    found = re.findall(r"^Listen=\S*?(\d+) \(Stream\)", shown, re.MULTILINE)
    return [int(port) for port in found] if used else []


def configured_ports(settings: dict[str, list[str]]) -> list[int]:
    """The ports that sshd listens on after a restart; an address may have one of its own."""
    texts = [*settings.get("port", ()), *settings.get("listenaddress", ())]
    return [int(match[1]) for text in texts if (match := re.search(r"(?:^|:)(\d+)$", text))]


def algorithms() -> dict[str, list[str]]:
    """The algorithms that this OpenSSH's client uses unless told otherwise, by keyword; none
    without a client. One program tells all, while `ssh -Q` tells one kind. Raises RuntimeError if
    it does not."""
    # The host is not looked up, and no configuration is read.
    output = output_of("ssh", "-GF", "none", "host")
    lines = (line.split(" ", 1) for line in output.splitlines())
    told = {words[0]: words[1].split(",") for words in lines if len(words) == 2}
    missing = [keyword for keyword in ALGORITHMS if keyword not in told]
    if output and missing:
        raise RuntimeError(f"ssh -G does not tell {', '.join(missing)}")
    return {keyword: told.get(keyword, []) for keyword in ALGORITHMS}


def all_listeners() -> list[Listener]:
    """Listening sockets; none without `ss`."""
    try:
        return listeners()
    except OSError:
        return []


def report() -> SshdReport:
    """Everything that the configuration depends on."""
    version = re.search(r"OpenSSH_(\d+)\.(\d+)", output_of("ssh", "-V"))
    try:
        settings = effective()
    except (OSError, RuntimeError):
        settings = {}
    sockets = all_listeners()
    socket = output_of("systemctl", "show", f"--property={SOCKET_PROPERTIES}", "ssh.socket")
    ports = {*own_ports(sockets), *socket_ports(socket), *configured_ports(settings)}
    return {
        "version": (int(version[1]), int(version[2])) if version else (0, 0),
        "effective": settings,
        "algorithms": algorithms(),
        "host_keys": host_keys(),
        "taken": taken(sockets),
        "ports": sorted(ports),
        "socket": "ActiveState=active" in socket.splitlines(),
    }


def mentions(keyword: str) -> str:
    """The configuration files and lines that set a keyword."""
    lines = []
    for path in [SSH / "sshd_config", *sorted((SSH / "sshd_config.d").glob("*.conf"))]:
        if path.is_file():
            for number, line in enumerate(path.read_text(errors="replace").splitlines(), start=1):
                if re.match(rf"\s*{keyword}[\s=]", line, re.IGNORECASE):
                    lines.append(f"{path}:{number}")
    return ", ".join(lines) or "no file sets it"


def judge(expected: dict[str, list[str]]) -> list[str]:
    """A message for every keyword whose effective value is not the expected one."""
    actual = effective()
    wrong = []
    for keyword, values in expected.items():
        if actual.get(keyword, []) != values:
            is_now = " ".join(actual.get(keyword, ["unset"]))
            wanted = " ".join(values)
            wrong.append(f"{keyword} is {is_now}, declared {wanted} (set in {mentions(keyword)})")
    return wrong


def main() -> int:
    """Prints the report, or validates the settings in argv[1]."""
    if len(sys.argv) == 1:
        try:
            print(json.dumps(report()))
        except RuntimeError as error:
            sys.stderr.write(f"{error}\n")
            return 1
        return 0
    try:
        wrong = judge(json.loads(sys.argv[1]))
    except RuntimeError as error:
        wrong = [str(error)]
    sys.stderr.write("".join(f"sshd -T: {line}\n" for line in wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
