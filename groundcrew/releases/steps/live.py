"""Shell commands that make a release live, and that go back to the one before."""

from __future__ import annotations

import shlex

from groundcrew.manifest import unit
from groundcrew.releases.steps.links import boot_links, point_nginx_at
from groundcrew.releases.steps.logged import log_entry
from groundcrew.releases.steps.units import SYSTEM, full_weight, start_units
from groundcrew.releases.target import Target


def open_socket(target: Target, release: str, previous: str | None) -> str:
    """Shell command that hands the socket held by systemd to the release; requests wait
    meanwhile."""
    paths = target.paths
    text = unit.socket_unit(paths, release, target.app.server.backlog)
    stop = f"systemctl stop {' '.join(target.units(previous))} && " if previous else ""
    return (
        f"printf %s {shlex.quote(text)} > {SYSTEM}/{paths.socket_unit} && "
        f"systemctl daemon-reload && systemctl enable --quiet --now {paths.socket_unit} && "
        f"{point_nginx_at(target, release)} && "
        f"{stop}{start_units(target, release)}"
    )


def go_back(target: Target, release: str, previous: str) -> str:
    """Shell command that switches back to the previous release."""
    if target.holds(previous) and target.holds(release):
        return f"{open_socket(target, previous, release)}; {switch_to(target, previous)}"
    units = " ".join(target.units(release))
    # The previous release was stopped for one whose socket systemd holds.
    again = f"systemctl start {' '.join(target.units(previous))}; " if target.holds(release) else ""
    return (
        f"{again}{switch_to(target, previous)} && rm -f {target.paths.fallback}; "
        f"systemctl stop {units}"
    )


def switch_to(
    target: Target, release: str, fallback: str | None = None, previous: str | None = None
) -> str:
    """Shell command that makes the release live: first for the next boot, then for nginx, then on
    disk.

    While the previous release still runs, it is the `fallback` for connections that the new one
    refuses. If the switch fails, for example on a full disk, everything points to the `previous`
    release again, and the new one is stopped.
    """
    way = " && ".join(
        [full_weight(target.units(release)), *_switch_steps(target, release, fallback)]
    )
    if previous is None or target.holds(release):
        return way
    units = " ".join(target.units(release))
    undo = [
        *_switch_steps(target, previous, None),
        f"rm -f {target.paths.fallback}",
        f"systemctl disable --quiet {units}",
        f"systemctl stop {units}",
        log_entry(target, "release", release, f"switch failed, still on {previous}"),
        f"echo 'the switch failed; {previous} still serves' >&2",
        "exit 1",
    ]
    return f"{{ {way}\n}} || {{ {'; '.join(undo)}; }}"


def _switch_steps(target: Target, release: str, fallback: str | None) -> list[str]:
    paths = target.paths
    wants = f"{SYSTEM}/multi-user.target.wants"
    conf = paths.boot_conf
    units = target.units(release)
    steps = [
        # The links count at the next boot, and a reload would only make the switch longer.
        f"systemctl enable --quiet --no-reload {' '.join(units)}",
        f"printf %s {shlex.quote(boot_links(target, release))} > {conf}.new",
        f"mv {conf}.new {conf}",
    ]
    if fallback and not target.holds(release):
        steps.append(f"ln -sfn {target.sockets(fallback)[0]} {paths.fallback}")
    return [
        *steps,
        point_nginx_at(target, release),
        *_publish_frontend(target, release),
        f"ln -sfn releases/{release} {paths.root}/.current",
        f"mv -T {paths.root}/.current {paths.current}",
        f"find {wants} -name '{paths.name}@*.service' "
        + " ".join(f"! -name {unit}" for unit in units)
        + " -delete",
    ]


def _publish_frontend(target: Target, release: str) -> list[str]:
    """Commands that switch the front end by one rename too, right after the application."""
    if target.app.frontend is None:
        return []
    path = target.paths.frontend
    return [f"ln -sfn releases/{release} {path}/.current", f"mv -T {path}/.current {path}/current"]
