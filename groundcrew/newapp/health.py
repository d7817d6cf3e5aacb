"""Which of an application's paths tells whether it works."""

from __future__ import annotations

import re
from collections.abc import Iterable

CHECK = re.compile(
    r"/_*(health|healthz|health[_-]?check|healthcheck|health/(ready|live|check)|heartbeat|__heartbeat__|"
    r"ready|readyz|readiness|livez|liveness|(?P<weak>ping|status|live|alive|up|__lbheartbeat__))/?$"
)


def best(paths: Iterable[str], *, weak: bool = True) -> str | None:
    """The path that looks like a health check, the plainest one; with `weak` also those whose names
    may mean a page for people, such as /status."""
    plain = [path for path in paths if not re.search(r"[<{]", path)]
    matches = [match for path in plain if (match := CHECK.search(path))]
    found = sorted(matches, key=lambda m: (bool(m["weak"]), len(m.string), m.string))
    good = [match for match in found if weak or not match["weak"]]
    return good[0].string if good else None
