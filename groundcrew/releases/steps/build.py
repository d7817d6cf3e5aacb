"""What the program that builds a release is told."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, timedelta
from typing import Any

from groundcrew import remote
from groundcrew.facts.apt import STAMP
from groundcrew.facts.parts import Received
from groundcrew.manifest import seeds, unit
from groundcrew.operations import apt
from groundcrew.releases.plan import ReleasePlan
from groundcrew.releases.steps.logged import log_entry
from groundcrew.releases.target import Run

LISTS_FRESH_SECONDS = 86400
LOCK_SECONDS = 300


def build_payload(
    plan: ReleasePlan,
    release: str,
    archive: str | None,
    resolved: str | None = None,
    run: Run = None,
    *,
    received: Received | None = None,
    builds: bool = True,
) -> dict[str, Any]:
    """Payload of `groundcrew/remote/build_release.py`. `resolved` are the requirements as another
    host resolved them, `received` parts that another host has built; with `builds` this host builds
    those that are missing."""
    return {
        "name": plan.paths.name,
        "release": release,
        "archive": archive,
        "user": plan.paths.build_user,
        **_place(plan),
        "needs_source": plan.needs_source,
        "requirements": asdict(plan.requirements),
        "resolved": resolved,
        "received": received,
        "builds": builds,
        "exclude_newer": _exclude_newer(plan),
        "apt": {
            "packages": list(plan.app.build_apt),
            "declared": list(plan.toolchain.declared),
            "stamp": STAMP,
            "fresh": LISTS_FRESH_SECONDS,
            "update": apt.update_script(LOCK_SECONDS),
            "install": apt.install_script(
                ['"$@"'], False, LOCK_SECONDS, clean=True, options=["--mark-auto"]
            ),
            "purge": apt.purge_script(['"$@"'], LOCK_SECONDS),
        },
        "frontend": plan.frontend.payload() if plan.frontend else None,
        "frontend_lock": plan.app.frontend.directory if plan.app.frontend else None,
        "keep_cache": plan.toolchain.keep_cache,
        "compile": plan.toolchain.compile,
        "secrets": dict(plan.build_secrets),
        "app_dir": plan.app.app_dir,
        "environment_hooks": list(plan.app.hooks.environment),
        "hooks": list(plan.app.hooks.build),
        "hook_variables": plan.hook_variables,
        "hook_timeout": plan.app.hooks.timeout,
        "shared": list(plan.app.kept),
        "set_aside": {
            path: seeds.place(path, seed) for path, seed in plan.app.seeds.items() if path == seed
        },
        "directories": plan.directories,
        "metadata": {
            "release": release,
            "digest": plan.digest,
            "source": plan.bundle.label,
            "source_digest": plan.bundle.digest,
        },
        "limits": {**plan.toolchain.build_limits, "IPAddressDeny": " ".join(unit.METADATA)},
        "steps": remote.source("build_steps"),
        "run": run,
        "on_failure": log_entry(plan.target, "release", release, "build failed"),
    }


def parts_payload(plan: ReleasePlan, run: Run, *, here: bool) -> dict[str, Any]:
    """Payload of `groundcrew/remote/inspect_parts.py` for one application. `here`: on the host that
    needs the parts, not on one that may have them."""
    return {"name": plan.paths.name, **_place(plan), "fetch": here, "check": here, "run": run}


def _place(plan: ReleasePlan) -> dict[str, Any]:
    """What determines the names of a release's parts on a host."""
    return {
        "uv": plan.toolchain.uv,
        "keys": {
            "environment": plan.environment_key,
            "source": plan.source_key,
            "code": plan.code_key,
        },
        "python": {
            "interpreter": plan.toolchain.python,
            "wanted": plan.app.python,
            "requires": plan.requires_python,
            "mirror": plan.toolchain.python_mirror,
        },
        "variables": dict(plan.toolchain.environment),
    }


def _exclude_newer(plan: ReleasePlan) -> list[str]:
    """uv options that exclude releases after that day, except for the server that groundcrew
    adds."""
    if plan.app.exclude_newer is None:
        return []
    end = date.fromisoformat(plan.app.exclude_newer) + timedelta(days=1)
    options = ["--exclude-newer", f"{end.isoformat()}T00:00:00Z"]
    for name in plan.server.packages:
        options += ["--exclude-newer-package", f"{name}=false"]
    return options
