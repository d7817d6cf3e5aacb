"""The line that a step appends to the release log."""

from __future__ import annotations

import json
import shlex

from groundcrew.releases.target import Target, operator


def log_entry(target: Target, action: str, release: str, result: str) -> str:
    """Shell command that appends a line to the application's release log.

    The logged duration starts when the lock was taken.
    """
    fixed = {"action": action, "release": release, "operator": operator(), "result": result}
    rest = shlex.quote(json.dumps(fixed)[1:])
    paths = target.paths
    return (
        f'printf \'{{"time": "%s", "seconds": %d, %s\\n\' "$(date -u +%FT%TZ)" '
        f'"$(($(date +%s) - $(stat -c %Y {paths.lock} 2>/dev/null || date +%s)))" '
        f"{rest} >> {paths.log}"
    )
