"""Makes room for an application, and releases it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pyinfra.api import deploy

from groundcrew.apps import maintenance_page
from groundcrew.apps.model import AppSettings
from groundcrew.apps.paths import AppPaths
from groundcrew.operations import accounts, files
from groundcrew.releases import operations as releases
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
    """The releases of all applications of a host, aside and side by side; nothing is switched as
    long as one of them cannot be built."""
    releases.build(name="build releases", plans=plans)
    files.manage(
        name="environments, server configurations and units",
        entries=lambda: releases.release_files(plans),
    )
    releases.start_first(name="start first releases", plans=plans)


@deploy("app")
def release(plan: ReleasePlan, batch_size: int) -> None:
    """Start, probe, switch, drain what `build` has built; nothing where it is live already.

    At most `batch_size` hosts switch at the same time, after one that goes first.
    """
    name = plan.paths.name
    releases.hooks(name=f"{name}: release hooks", plan=plan)
    releases.canary(name=f"{name}: canary", plan=plan)
    releases.batch(name=f"{name}: start, probe and switch", plan=plan, _parallel=batch_size)
    target, release_of = plan.target, plan.release_id
    if plan.app.single_parts:
        releases.leave(name=f"{name}: workers that another host runs", target=target)
    releases.follow(name=f"{name}: workers and timers", target=target, release_of=release_of)
    releases.retire(name=f"{name}: retire replaced releases", target=target, release_of=release_of)
