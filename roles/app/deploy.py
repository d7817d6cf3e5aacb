"""Operations that prepare an application and release it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pyinfra import host
from pyinfra.api import deploy

from groundcrew.manifest import maintenance_page
from groundcrew.manifest.model import AppSettings
from groundcrew.manifest.paths import AppPaths
from groundcrew.operations import accounts, files
from groundcrew.releases import apart, building, building_once, finishing, switching
from groundcrew.releases.plan import ReleasePlan
from groundcrew.releases.target import Target
from groundcrew.roles.app import builders


@deploy("app")
def prepare(apps: Mapping[str, AppSettings], pages: Mapping[str, bytes]) -> None:
    """Creates users, groups, directories and the maintenance page (from `pages`) of every
    application. nginx needs them before the first release."""
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
                *builders.awaiting(paths, app),
                *maintenance_page.entries(paths, pages[paths.name]),
            )
        ],
        validate=builders.mount([paths for paths, _ in every]) if every else None,
    )


@deploy("app")
def build(plans: Sequence[ReleasePlan]) -> None:
    """Builds the releases of all applications of a host side by side, apart from the live ones."""
    building_once.register(host, plans)
    building.build(name="build releases", plans=plans, _ignore_errors=True)
    files.manage(
        name="environments, server configurations and units",
        entries=lambda: building.release_files(plans),
    )
    building.start_first(name="start first releases", plans=plans, _ignore_errors=True)


@deploy("app")
def release(
    names: Sequence[str],
    plans: Mapping[str, ReleasePlan],
    batch_sizes: Mapping[str, int],
    moved: Sequence[Target] | None = None,
) -> None:
    """Starts, probes and switches to what `build` has built, and drains what that replaces.

    Does nothing for a release that is live already. The applications of `names`, the same list on
    all hosts, are released together: each switches on its own, then all are watched and drained at
    the same time. One host switches first; after it, at most `batch_sizes[name]` hosts switch at
    the same time. A failed application does not stop the others (see `finish`).

    `moved` are those of which another host runs workers or timers for all, and that this host does
    not have, or not any more; None if there are no such applications.
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
    switching.watch(name=f"check window of {group}", plans=here, _ignore_errors=True)
    if moved is not None:
        finishing.remove_moved(
            name=f"workers of {group} that moved away", targets=moved, _ignore_errors=True
        )
    for name in host.loop(names):
        if name in plans:
            target, release_of = plans[name].target, plans[name].release_id
            if plans[name].app.single_parts:
                finishing.remove_misplaced(
                    name=f"{name}: workers that another host runs",
                    target=target,
                    _ignore_errors=True,
                )
            finishing.replace_followers(
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
    """Fails the host if one of its applications has failed, after all others have been released."""
    apart.outcome(name="outcome of releases")
