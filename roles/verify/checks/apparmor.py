"""AppArmor is on where the kernel has it."""

from __future__ import annotations

from collections.abc import Iterator

from groundcrew.results.result import Check, fail, not_applicable, ok
from roles.verify.seen import Seen


def check(seen: Seen) -> Iterator[Check]:
    """A container has its machine's, if any."""
    title = "AppArmor"
    if not seen.expected.apparmor:
        yield not_applicable(title, "base.apparmor is off")
        return
    if seen.section("machine")["container"]:
        yield not_applicable(title, "a container has none of its own")
        return
    found = seen.section("apparmor")
    if not found["kernel"]:
        yield not_applicable(title, "this kernel does not have it")
    elif not found["enabled"]:
        yield fail(
            title, "off by the kernel's command line (apparmor=0 or another security module)"
        )
    elif not found["enforced"]:
        yield fail(title, "on, but no profile is loaded")
    else:
        yield ok(title, f"{found['enforced']} profiles are enforced")
