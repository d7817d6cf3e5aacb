"""Check of who may become root."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from groundcrew.results.result import Check, judge
from groundcrew.roles.users.report import Sudo
from groundcrew.verify.seen import Seen


def privileges(admins: Sequence[str], others: Sequence[str], seen: Seen) -> Iterator[Check]:
    """sudo's configuration is valid; administrators may use sudo, applications' users may not."""
    sudo: Sudo = seen.section("sudo")
    problems = []
    if sudo["code"] != 0:
        problems.append(sudo["output"].strip() or f"visudo --check exits {sudo['code']}")
    problems += [f"{user} may not use sudo" for user in admins if not sudo["may"].get(user)]
    problems += [f"{user} may use sudo" for user in others if sudo["may"].get(user)]
    yield judge("sudo policy", problems, f"only {', '.join(admins) or 'root'}")
