"""What the release hooks are run with, and the record of those that ran on another host."""

from __future__ import annotations

import shlex
from typing import Any

from groundcrew.releases.steps.logged import log_entry
from groundcrew.releases.target import Run, Target


def hooks_payload(target: Target, release: str, run: Run) -> dict[str, Any]:
    """Payload of `groundcrew/remote/run_hooks.py`."""
    hooks = target.app.hooks
    return {
        "unit": target.paths.hooks_unit(release),
        "done": target.paths.hooks_done(release),
        "each": hooks.timeout,
        "timeout": hooks.timeout * len(hooks.release),
        "log": f"{target.paths.release(release)}/hooks.log",
        "run": run,
        "on_failure": log_entry(target, "release", release, "hook failed"),
    }


def hooks_ran_elsewhere(target: Target, release: str, where: str) -> str:
    """Shell command that records that another host ran this release's hooks."""
    return f"echo {shlex.quote(where)} > {target.paths.hooks_done(release)}"
