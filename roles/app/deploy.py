"""Makes room for an application, and releases it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pyinfra import host
from pyinfra.api import deploy

from groundcrew.apps import maintenance_page
from groundcrew.apps.model import AppSettings
from groundcrew.apps.paths import AppPaths
from groundcrew.operations import accounts, files
from groundcrew.releases import apart, building, finishing, switching
from groundcrew.releases.plan import ReleasePlan
from roles.app import builders


@deploy("app")
def prepare(apps: Mapping[str, AppSettings], pages: Mapping[str, bytes]) -> None:
    """Users, groups, directories and maintenance page (of `pages`) of every application; nginx
    needs them before the releases."""
    every = [(AppPaths(name), app) for name, app in sorted(apps.items())]
    claims = [builders.claim(paths.name, app) for paths, app in every]
    accounts.manage(
        name="users and groups",
        groups=[group for claim in claims for group in claim.groups],
        users=[user for claim in claims for user in claim.users],
        claims=claims,
    )
    files.manage(
        name="directories",
        entries=[
            entry
            for paths, app in every
            for entry in (
                *builders.directories(paths, app),
                *builders.mounts(paths),
                *maintenance_page.entries(paths, pages[paths.name]),
            )
        ],
        validate=builders.mount([paths for paths, _ in every]) if every else None,
    )


@deploy("app")
def build(plans: Sequence[ReleasePlan]) -> None:
    """The releases of all applications of a host, aside and side by side."""
    building.build(name="build releases", plans=plans, _ignore_errors=True)
    files.manage(
        name="environments, server configurations and units",
        entries=lambda: building.release_files(plans),
    )
    building.start_first(name="start first releases", plans=plans, _ignore_errors=True)


@deploy("app")
def release(
    names: Sequence[str], plans: Mapping[str, ReleasePlan], batch_sizes: Mapping[str, int]
) -> None:
    """Start, probe, switch, drain what `build` has built; nothing where it is live already.

    Applications of `names`, which is the same for all hosts, are released together: each switches
    for itself, then all are watched and drained at the same time. Of each, at most as many hosts
    switch at the same time as `batch_sizes` says, after one that goes first. One that fails stops
    no other (see `finish`).
    """
    here = [plans[name] for name in names if name in plans]
    for name in host.loop(names):
        if name in plans:
            plan = plans[name]
            switching.hooks(name=f"{name}: release hooks", plan=plan, _ignore_errors=True)
            switching.canary(name=f"{name}: canary", plan=plan, _ignore_errors=True)
            switching.batch(
                name=f"{name}: start, probe and switch",
                plan=plan,
                together=here,
                _parallel=batch_sizes[name],
                _ignore_errors=True,
            )
    group = ", ".join(names)
    if len(names) > 1:
        switching.watch(name=f"check window of {group}", plans=here, _ignore_errors=True)
    for name in host.loop(names):
        if name in plans:
            target, release_of = plans[name].target, plans[name].release_id
            if plans[name].app.single_parts:
                finishing.leave(
                    name=f"{name}: workers that another host runs",
                    target=target,
                    _ignore_errors=True,
                )
            finishing.follow(
                name=f"{name}: workers and timers",
                target=target,
                release_of=release_of,
                _ignore_errors=True,
            )
    finishing.retire(
        name=f"retire replaced releases of {group}",
        targets=[(plan.target, plan.release_id) for plan in here],
        _ignore_errors=True,
    )


@deploy("app")
def finish() -> None:
    """Ends the run where an application has failed; all others are released."""
    apart.outcome(name="outcome of releases")
