"""Units are sandboxed, and serve all the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from groundcrew.results.result import Check, fail, judge, ok
from roles.verify.seen import Seen

OPEN_NETWORK = 0.2
"""What `network: any` adds to a unit's exposure."""
LISTED_NETWORKS = 0.1
"""What a list of networks adds."""


def check(seen: Seen) -> Iterator[Check]:
    """systemd's exposure figures are low enough; those of what serves count only while the
    application answers."""
    exposure = seen.section("exposure")
    sockets = seen.section("sockets")
    serving = seen.serving_units()
    for name, unit in serving.items():
        limit, why = allowed(seen, name)
        problems = exposed(exposure, [unit], limit, why)
        if name in sockets and "status" not in sockets[name]:
            problems.append("it means nothing: the application does not answer")
        good = f"exposure {exposure.get(unit)} of at most {limit}{why}"
        yield judge(f"{name}: sandbox", problems, good)
    own = sorted(seen.expected.own_units)
    if own:
        yield together("own units: sandbox", exposure, own, seen.settings.host_max_exposure)
    for name in seen.section("releases"):
        behind = [unit for unit in exposure if unit.startswith(f"{name}.")]
        if behind:
            title = f"{name}: sandbox of workers and timers"
            limit, why = allowed(seen, name)
            yield together(title, exposure, behind, limit, why)


def allowed(seen: Seen, name: str) -> tuple[float, str]:
    """The largest exposure of a unit that serves, and what its application's manifest has opened:
    systemd counts every network that a unit may reach besides its own host."""
    if name == "nginx":
        return seen.settings.nginx_max_exposure, ""
    app = seen.expected.apps.get(name.split(" ", maxsplit=1)[0])
    network = app.network if app else "local"
    if network == "local":
        return seen.settings.max_exposure, ""
    told = "any" if network == "any" else "[...]"
    opened = OPEN_NETWORK if network == "any" else LISTED_NETWORKS
    return round(seen.settings.max_exposure + opened, 1), f", {opened} of it for `network: {told}`"


def together(
    title: str,
    exposure: Mapping[str, float | None],
    units: Sequence[str],
    limit: float,
    why: str = "",
) -> Check:
    """One result for several units."""
    worst = max((exposure.get(unit) or 0 for unit in units), default=0)
    good = f"{len(units)} units, exposure at most {worst} of {limit}{why}"
    return judge(title, exposed(exposure, units, limit, why), good)


def exposed(
    exposure: Mapping[str, float | None], units: Sequence[str], limit: float, why: str = ""
) -> list[str]:
    """What is wrong with the figures of units."""
    problems = []
    for unit in units:
        figure = exposure.get(unit)
        if figure is None:
            problems.append(f"systemd-analyze gave no figure for {unit}")
        elif figure > limit:
            problems.append(
                f"{unit}: exposure {figure}, at most {limit} is allowed (verify.max_exposure{why})"
            )
    return problems


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
