"""Administrators may become root, and nobody else."""

from __future__ import annotations

from collections.abc import Iterator

from groundcrew.apps.paths import AppPaths
from groundcrew.results.result import Check, judge
from roles.verify.seen import Seen


def check(seen: Seen) -> Iterator[Check]:
    """sudo's files are in order; administrators may use it, applications' users may not."""
    found = seen.section("sudo")
    problems = []
    if found["code"] != 0:
        problems.append(found["output"].strip() or f"visudo --check exits {found['code']}")
    admins = sorted(seen.expected.admins)
    problems += [f"{user} may not use sudo" for user in admins if not found["may"].get(user)]
    users = [AppPaths(name).user for name in seen.expected.apps]
    problems += [f"{user} may use sudo" for user in users if found["may"].get(user)]
    yield judge("sudo policy", problems, f"only {', '.join(admins) or 'root'}")
