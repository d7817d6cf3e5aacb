"""Installs Debian packages; nothing is downloaded unless a package is missing.

pyinfra's own `apt.update` downloads the lists whenever they are older than `cache_time`. That makes
the first run of every day a change, and the check takes two round trips.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence

from pyinfra import host
from pyinfra.api import StringCommand, operation
from pyinfra.facts.apt import noninteractive_apt

from groundcrew import record
from groundcrew.facts.apt import STAMP, Apt, AptState, Removable
from groundcrew.read_first import reading_first


@operation()
@reading_first
def packages(
    packages: Sequence[str],
    cache_time: int = 86400,
    lock_timeout: int = 300,
    clean: bool = False,
    unwanted: Sequence[str] = (),
) -> Generator[StringCommand, None, None]:
    """Installs missing packages, without recommendations: one fact, and a command only if needed.

    + packages: names, `name=version` to pin one, `name/suite` to take it from a suite
    + cache_time: seconds for which the package lists count as fresh if a package is missing
    + lock_timeout: seconds to wait while another program holds apt's locks
    + clean: whether to remove the downloaded packages afterwards
    + unwanted: packages to remove, unless another package needs them
    """
    if not packages:
        return
    names = [name_of(package) for package in packages]
    others = [package for package in unwanted if package not in names]
    state = host.get_fact(Apt, packages=[*names, *others])
    wanted = missing(packages, state)
    removable = _removable([package for package in others if package in state.versions])
    if not wanted and not removable:
        host.noop(f"{len(packages)} packages are installed")
        return
    record.change(host, [*wanted, *(f"not wanted: {item}" for item in removable)])
    if wanted:
        fresh = state.lists_age is not None and state.lists_age < cache_time
        script = install_script(wanted, update=not fresh, lock_timeout=lock_timeout, clean=clean)
        yield StringCommand(script)
    if removable:
        yield StringCommand(purge_script(removable, lock_timeout))


def _removable(installed: Sequence[str]) -> list[str]:
    """The packages that can be removed; logs those that cannot."""
    if not installed:
        return []
    removable = host.get_fact(Removable, packages=list(installed))
    if host.state.is_executing:
        if removable:
            host.log(f"not wanted, removed: {', '.join(removable)}")
        if kept := [package for package in installed if package not in removable]:
            host.log(f"not wanted, but needed by other packages: {', '.join(kept)}")
    return removable


def name_of(package: str) -> str:
    """The package's name without version and suite."""
    return package.split("=", 1)[0].split("/", 1)[0]


def missing(packages: Sequence[str], state: AptState) -> list[str]:
    """The packages to install, sorted."""
    absent = set()
    for package in packages:
        installed = state.versions.get(name_of(package))
        _, _, version = package.partition("=")
        if installed is None or (version and installed != version):
            absent.add(package)
    return sorted(absent)


def install_script(
    packages: Sequence[str],
    update: bool,
    lock_timeout: int,
    clean: bool = False,
    options: Sequence[str] = (),
) -> str:
    """A shell script that installs packages.

    + update: whether to download the package lists first
    + clean: whether to remove the downloaded packages afterwards
    + options: additional options of apt-get
    """
    lines = [update_script(lock_timeout)] if update else ["set -e"]
    install = ["install --no-install-recommends", *options, *_waiting(lock_timeout)]
    lines.append(f"{noninteractive_apt(' '.join(install))} {' '.join(packages)}")
    if clean:
        lines.append("apt-get clean")
    return "\n".join(lines)


def update_script(lock_timeout: int) -> str:
    """A shell script that downloads the package lists.

    apt waits for dpkg's lock, but not for the lock of the lists, so the script retries.
    """
    return "\n".join(
        [
            "set -e",
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
    )


def purge_script(packages: Sequence[str], lock_timeout: int) -> str:
    """A shell script that removes packages with their configuration."""
    purge = " ".join(["purge", *_waiting(lock_timeout)])
    return f"{noninteractive_apt(purge)} {' '.join(packages)}"


def _waiting(lock_timeout: int) -> list[str]:
    return [f"-o DPkg::Lock::Timeout={lock_timeout}"]
