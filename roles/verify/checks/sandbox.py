"""Units are sandboxed, and serve all the same."""

from __future__ import annotations

from collections.abc import Iterator

from groundcrew.results.result import Check, fail, judge, ok
from roles.verify.seen import Seen


def check(seen: Seen) -> Iterator[Check]:
    """systemd's exposure figure is low enough; it counts only while the application answers."""
    exposure = seen.section("exposure")
    sockets = seen.section("sockets")
    for name, unit in seen.serving_units().items():
        title = f"{name}: sandbox"
        if unit not in exposure:
            yield fail(title, f"systemd-analyze gave no figure for {unit}")
            continue
        limit = seen.settings.nginx_max_exposure if name == "nginx" else seen.settings.max_exposure
        figure = exposure[unit]
        problems = [] if figure <= limit else [f"exposure {figure}, at most {limit} is allowed"]
        if name in sockets and "status" not in sockets[name]:
            problems.append(f"exposure {figure} means nothing: the application does not answer")
        yield judge(title, problems, f"exposure {figure} of at most {limit}")


def check_socket(seen: Seen) -> Iterator[Check]:
    """Each application answers its health path on the sockets that nginx uses."""
    for name, answer in seen.section("sockets").items():
        health = seen.expected.apps[name.split(" ")[0]].health
        title = f"{name}: socket"
        if answer.get("status") == health.status:
            yield ok(title, f"{health.path} gave {health.status}")
        else:
            got = answer.get("status", answer.get("error"))
            yield fail(title, f"{health.path} gave {got} instead of {health.status}")
