"""Finds the path of a health check."""

from __future__ import annotations

import re
from collections.abc import Iterable

CHECK = re.compile(
    r"/_*(health|healthz|health[_-]?check|healthcheck|health/(ready|live|check)|heartbeat|__heartbeat__|"
    r"ready|readyz|readiness|livez|liveness|(?P<weak>ping|status|live|alive|up|__lbheartbeat__))/?$"
)


def best(paths: Iterable[str], *, weak: bool = True) -> str | None:
    """The shortest path that looks like a health check. With `weak`, names that may also be a page
    for people, such as /status, count too."""
    plain = [path for path in paths if not re.search(r"[<{]", path)]
    matches = [match for path in plain if (match := CHECK.search(path))]
    ranked = sorted(matches, key=lambda m: (bool(m["weak"]), len(m.string), m.string))
    good = [match for match in ranked if weak or not match["weak"]]
    return good[0].string if good else None
