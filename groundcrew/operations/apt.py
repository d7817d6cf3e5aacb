"""Debian packages: nothing is fetched while nothing is missing.

pyinfra's own `apt.update` fetches the lists whenever they are older than `cache_time`, which makes
every first run of a day a change, and takes two round trips to find out.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence

from pyinfra import host
from pyinfra.api import StringCommand, operation
from pyinfra.facts.apt import noninteractive_apt

from groundcrew.facts.apt import STAMP, Apt, AptState


@operation()
def packages(
    packages: Sequence[str], cache_time: int = 86400, lock_timeout: int = 300
) -> Generator[StringCommand, None, None]:
    """Installs what is missing, without recommendations: one fact, and one command if need be.

    + packages: names, `name=version` to pin one, `name/suite` to take it from a suite
    + cache_time: seconds for which the package lists count as fresh, when something is missing
    + lock_timeout: seconds to wait while another program holds apt's locks
    """
    if not packages:
        return
    names = [name_of(package) for package in packages]
    state = host.get_fact(Apt, packages=names)
    wanted = missing(packages, state)
    if not wanted:
        host.noop(f"{len(packages)} packages are installed")
        return
    fresh = state.lists_age is not None and state.lists_age < cache_time
    yield StringCommand(install_script(wanted, update=not fresh, lock_timeout=lock_timeout))


def name_of(package: str) -> str:
    """The name without version and suite."""
    return package.split("=", 1)[0].split("/", 1)[0]


def missing(packages: Sequence[str], state: AptState) -> list[str]:
    """The packages to install, sorted."""
    found = set()
    for package in packages:
        installed = state.versions.get(name_of(package))
        _, _, version = package.partition("=")
        if installed is None or (version and installed != version):
            found.add(package)
    return sorted(found)


def install_script(packages: Sequence[str], update: bool, lock_timeout: int) -> str:
    """A shell script that fetches the lists if they are not fresh, and installs the packages.

    apt waits for dpkg's lock by itself, but not for that of the lists, so that is tried again.
    """
    lines = ["set -e"]
    if update:
        lines += [
            f"end=$(($(date +%s) + {lock_timeout}))",
            "until output=$(LC_ALL=C apt-get --quiet --error-on=any update 2>&1); do",
            '  case "$output" in *"Could not get lock"*) ;;',
            '    *) echo "$output" >&2; exit 1 ;;',
            "  esac",
            '  test "$(date +%s)" -lt "$end" || { echo "$output" >&2; exit 1; }',
            "  sleep 2",
            "done",
            f"mkdir -p {STAMP.rsplit('/', 1)[0]} && touch {STAMP}",
        ]
    install = f"install --no-install-recommends -o DPkg::Lock::Timeout={lock_timeout}"
    lines.append(f"{noninteractive_apt(install)} {' '.join(packages)}")
    return "\n".join(lines)
