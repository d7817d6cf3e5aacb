"""Checks of sandboxes and sockets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from groundcrew.contract import Unit
from groundcrew.results.result import Check, fail, judge, ok
from groundcrew.roles.verify.seen import SitesSeen

OPEN_NETWORK = 0.2
"""Exposure that `network: any` adds to a unit."""
LISTED_NETWORKS = 0.1
"""Exposure that a list of networks adds to a unit."""


def check(seen: SitesSeen) -> Iterator[Check]:
    """The exposure of every unit is within its limit, and sandboxed applications answer."""
    exposure = seen.section("exposure")
    sockets = seen.section("sockets")
    serving = seen.serving_units()
    for name, serves in serving.items():
        role = seen.units.get(serves)
        if role:
            limit, setting = of_role(seen, role)
            why = ""
            problems = exposed(exposure, [serves], limit, setting=setting)
        else:
            limit, why = allowed(seen, name)
            problems = exposed(exposure, [serves], limit, why)
        if name in sockets and "status" not in sockets[name]:
            problems.append("it means nothing: the application does not answer")
        good = f"exposure {exposure.get(serves)} of at most {limit}{why}"
        yield judge(f"{name}: sandbox", problems, good)
    others = [unit for _, unit in sorted(seen.units.items()) if not unit.serves]
    if others:
        yield own_units(seen, others, exposure)
    for name in seen.section("releases"):
        behind = [unit for unit in exposure if unit.startswith(f"{name}.")]
        if behind:
            title = f"{name}: sandbox of workers and timers"
            limit, why = allowed(seen, name)
            yield together(title, exposure, behind, limit, why)


def of_role(seen: SitesSeen, unit: Unit) -> tuple[float, str]:
    """The exposure limit of a role's unit, and what sets it."""
    if unit.exposure is None:
        return seen.settings.host_max_exposure, "verify.host_max_exposure"
    return unit.exposure, "its role's own limit"


def own_units(
    seen: SitesSeen, units: Iterable[Unit], exposure: Mapping[str, float | None]
) -> Check:
    """Units of roles through which nothing is served, each with its own limit."""
    problems, figures = [], []
    for unit in units:
        limit, setting = of_role(seen, unit)
        problems += exposed(exposure, [unit.name], limit, setting=setting)
        figures.append(f"{unit.title} {exposure.get(unit.name)} of {limit}")
    return judge("own units: sandbox", problems, f"exposure {', '.join(figures)}")


def allowed(seen: SitesSeen, name: str) -> tuple[float, str]:
    """The exposure limit of an application's units, and the part of it for the network that the
    manifest allows: systemd counts any network access beyond the host itself."""
    app = seen.expected.apps.get(name.split(" ", maxsplit=1)[0])
    network = app.network if app else "local"
    if app and network == "local" and app.bound.networks:
        network = app.bound.networks
    if network == "local":
        return seen.settings.max_exposure, ""
    shown = "any" if network == "any" else "[...]"
    opened = OPEN_NETWORK if network == "any" else LISTED_NETWORKS
    return round(seen.settings.max_exposure + opened, 1), f", {opened} of it for `network: {shown}`"


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
    exposure: Mapping[str, float | None],
    units: Sequence[str],
    limit: float,
    why: str = "",
    setting: str = "verify.max_exposure",
) -> list[str]:
    """Units without an exposure figure, or above the limit."""
    problems = []
    for unit in units:
        figure = exposure.get(unit)
        if figure is None:
            problems.append(f"systemd-analyze gave no figure for {unit}")
        elif figure > limit:
            problems.append(
                f"{unit}: exposure {figure}, at most {limit} is allowed ({setting}{why})"
            )
    return problems


def check_socket(seen: SitesSeen) -> Iterator[Check]:
    """Each application answers its health path on the sockets that nginx uses."""
    for name, answer in seen.section("sockets").items():
        health = seen.expected.apps[name.split(" ")[0]].health
        title = f"{name}: socket"
        if answer.get("status") == health.status:
            yield ok(title, f"{health.path} gave {health.status}")
        else:
            got = answer.get("status", answer.get("error"))
            yield fail(title, f"{health.path} gave {got} instead of {health.status}")
