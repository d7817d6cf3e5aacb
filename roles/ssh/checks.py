"""Check of sshd's settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from groundcrew.results.result import Check, judge
from groundcrew.verify.seen import Seen


def policy(wanted: Mapping[str, str], seen: Seen) -> Iterator[Check]:
    """sshd runs with the `wanted` settings: keyword -> value, as `sshd -T` prints it."""
    effective = seen.section("sshd")
    problems = [
        f'{key} is "{effective.get(key, "")}" instead of "{value}"'
        for key, value in wanted.items()
        if effective.get(key) != value
    ]
    yield judge("ssh policy", problems, f"{len(wanted)} settings of sshd are in force")
