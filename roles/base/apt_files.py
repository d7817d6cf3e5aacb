"""Files of package repositories from settings: pure, except for reading keys."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from urllib.parse import urlsplit

from groundcrew.entries import Directory, Entry, File, Purge
from groundcrew.roles.base.apt_sources import AptSource, read_key
from groundcrew.templates import render

KEYRINGS = "/etc/apt/keyrings"
SOURCES = "/etc/apt/sources.list.d"
SOURCES_LIST = "/etc/apt/sources.list"
PREFERENCES = "/etc/apt/preferences.d"
PREFIX = "groundcrew-"


def used(sources: Mapping[str, AptSource | None]) -> dict[str, AptSource]:
    """The repositories that are not taken out again."""
    return {name: source for name, source in sorted(sources.items()) if source is not None}


def entries(sources: Mapping[str, AptSource | None]) -> list[Entry]:
    """Key, source and preferences of each repository. They must be there before packages are
    installed."""
    files: list[Entry] = [Directory(KEYRINGS)] if used(sources) else []
    for name, source in used(sources).items():
        content, armored = read_key(source.key)
        key = f"{KEYRINGS}/{PREFIX}{name}.{'asc' if armored else 'gpg'}"
        host = urlsplit(source.url).hostname
        files += [
            File(key, content),
            File(
                f"{PREFERENCES}/{PREFIX}{name}.pref",
                render("base/apt-preferences.j2", source=source, host=host),
            ),
            File(
                f"{SOURCES}/{PREFIX}{name}.sources",
                render("base/apt-source.j2", source=source, key=key),
            ),
        ]
    return files


def leftovers(sources: Mapping[str, AptSource | None]) -> list[Entry]:
    """Removes the files of repositories that are no longer set; their packages stay installed."""
    names = tuple(used(sources))
    kept = {
        KEYRINGS: [f"{name}.{end}" for name in names for end in ("asc", "gpg")],
        PREFERENCES: [f"{name}.pref" for name in names],
        SOURCES: [f"{name}.sources" for name in names],
    }
    return [
        Purge(directory, f"{PREFIX}*", tuple(f"{PREFIX}{file}" for file in files))
        for directory, files in kept.items()
    ]


def validator(sources: Mapping[str, AptSource | None]) -> str:
    """Shell that fails if another source of the host, such as Debian's own, has the same host name:
    apt tells repositories apart by it, so its packages would be refused as well."""
    hosts = sorted({str(urlsplit(source.url).hostname) for source in used(sources).values()})
    return "\n".join(
        [
            f"for host in {' '.join(map(shlex.quote, hosts))}; do",
            "  pattern=$(printf %s $host | sed 's/[.]/[.]/g')",
            f"  if grep -rsqE --exclude='{PREFIX}*' \"://([^/@ ]*@)?$pattern(:[0-9]+)?/\" "
            f"{SOURCES_LIST} {SOURCES}; then",
            '    echo "base.apt_sources: $host also serves other sources of this host, whose '
            'packages apt would refuse; reach the mirror under a name of its own" >&2',
            "    exit 1",
            "  fi",
            "done",
        ]
    )
