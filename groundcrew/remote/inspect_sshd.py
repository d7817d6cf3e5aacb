"""Reports sshd's effective configuration, or validates it.

Runs on the host as `python3 -c SCRIPT [EXPECTED]`. Without EXPECTED it prints one line of JSON:
{"version": [major, minor], "effective": {keyword: [values]}, "algorithms": {what: [names]},
"host_keys": {type: bits}, "taken": {TCP port: other program that listens there}, "socket": whether
ssh.socket listens for sshd}. With EXPECTED (JSON, keyword -> [values]) it is a validator: exit 0 if
`sshd -T` prints exactly these values, else 1 and every difference, with the files that set the
keyword. Standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # Types of the report, shared with what reads it; never sent to a host.
    from groundcrew.facts.sshd import SshdReport

SSH = Path("/etc/ssh")
QUERIES = ("kex", "cipher", "mac", "HostKeyAlgorithms", "PubkeyAcceptedAlgorithms")


def output_of(*command: str) -> str:
    """Standard output and standard error of a command, whatever its exit status."""
    result = subprocess.run(command, capture_output=True, text=True, check=False)
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
    told = subprocess.run(
        ["ssh-keygen", "-lf", "-"],
        input="\n".join(texts),
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    matches = (re.match(r"(\d+) .*\((\S+)\)$", line) for line in told.stdout.splitlines())
    return {match[2].lower(): int(match[1]) for match in matches if match}


def taken(sockets: str) -> dict[str, str]:
    """The ports that programs other than sshd listen on, from the output of `ss -Hltnpe`. A name is
    any program's own choice, and only sockets of others than root have a `uid:`."""
    ports = {}
    for line in sockets.splitlines():
        match = re.match(r'LISTEN\s+\S+\s+\S+\s+\S*:(\d+)\s.*users:\(\("([^"]+)"', line)
        if match and (match[2] not in ("sshd", "systemd") or " uid:" in line):
            ports[match[1]] = match[2]
    return ports


def report() -> SshdReport:
    """Everything that the configuration depends on."""
    version = re.search(r"OpenSSH_(\d+)\.(\d+)", output_of("ssh", "-V"))
    try:
        settings = effective()
    except (OSError, RuntimeError):
        settings = {}
    return {
        "version": (int(version[1]), int(version[2])) if version else (0, 0),
        "effective": settings,
        "algorithms": {query: output_of("ssh", "-Q", query).split() for query in QUERIES},
        "host_keys": host_keys(),
        "taken": taken(output_of("ss", "-Hltnpe")),
        "socket": output_of("systemctl", "is-active", "ssh.socket").strip() == "active",
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
        print(json.dumps(report()))
        return 0
    try:
        wrong = judge(json.loads(sys.argv[1]))
    except RuntimeError as error:
        wrong = [str(error)]
    sys.stderr.write("".join(f"sshd -T: {line}\n" for line in wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
