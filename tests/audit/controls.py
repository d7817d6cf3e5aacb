"""dev-sec's Linux, SSH and nginx baselines in our own words: one shell command each.

They run on the host in one go. A command that exits 0 means that the control is met, 3 that it does
not apply on this host; anything else is a finding.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from tests.audit.gate import NotCheckedError

FILE = Path(__file__).with_name("controls.yml")
DOES_NOT_APPLY = 3


@dataclass(frozen=True)
class Control:
    """One control."""

    says: str
    check: str


@dataclass
class Results:
    """What came of them."""

    applicable: int = 0
    failed: dict[str, Control] = field(default_factory=dict)


def controls() -> dict[str, Control]:
    """All controls by name: sysctl keys and sshd keywords have a short form."""
    raw = yaml.safe_load(FILE.read_text())
    by_name = {
        f"sysctl {key}": Control(
            f"{key} is {value}",
            f"f=/proc/sys/$(echo {key} | tr . /); test -e $f || exit 3; "
            f"test \"$(cat $f)\" = '{value}' && exit 0; test -w $f && exit 1; exit 3",
        )
        for key, value in raw["sysctl"].items()
    }
    for key, value in raw["sshd"].items():
        check = f"grep -qixF '{key} {value}' /tmp/audit-sshd"
        by_name[f"sshd {key}"] = Control(f"{key} is {value}", check)
    for name, (says, check) in raw["other"].items():
        by_name[name] = Control(says, check)
    return by_name


def script() -> str:
    """Runs all of them; prints their names with exit statuses."""
    lines = ["/usr/sbin/sshd -T > /tmp/audit-sshd; nginx -T > /tmp/audit-nginx 2>/dev/null"]
    for name, control in controls().items():
        run = f"sh -c {shlex.quote(control.check)} >/dev/null 2>&1"
        lines.append(f'{run}; echo "$?\t{name}"')
    return "\n".join([*lines, "rm /tmp/audit-sshd /tmp/audit-nginx"])


def results(output: str) -> Results:
    """What that printed. Raises NotCheckedError unless every control was looked at."""
    known, outcome = controls(), Results()
    statuses = dict(reversed(line.split("\t", 1)) for line in output.splitlines())
    if set(statuses) != set(known):
        raise NotCheckedError(f"controls that did not run: {set(known) - set(statuses)}")
    for name, status in statuses.items():
        if int(status) == DOES_NOT_APPLY:
            continue
        outcome.applicable += 1
        if status != "0":
            outcome.failed[name] = known[name]
    return outcome
