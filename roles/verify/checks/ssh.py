"""sshd is as strict as its settings."""

from __future__ import annotations

from collections.abc import Iterator

from groundcrew.results.result import Check, judge
from roles.verify.seen import Seen


def check(seen: Seen) -> Iterator[Check]:
    """What sshd itself says about its settings."""
    found = seen.section("sshd")
    wanted = seen.expected.sshd
    problems = [
        f'{key} is "{found.get(key, "")}" instead of "{value}"'
        for key, value in wanted.items()
        if found.get(key) != value
    ]
    yield judge("ssh policy", problems, f"{len(wanted)} settings of sshd are in force")
