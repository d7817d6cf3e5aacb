"""Debian packages that only builds need: installed before a build, removed after the last one.

A package stays if the build's result is linked with a library from it.

Part of the build on the host; standard library only, Python 3.9 or later. Only packages that were
installed for builds and that nothing else needs are removed. A list on the host records them, so
that the next build removes what an interrupted one has left.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import re
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from groundcrew.remote.run_lock import open_own

STATE = Path("/var/lib/groundcrew")
REGISTER = STATE / "build-packages"
IN_USE = STATE / "build-packages.lock"
INSTALLING = STATE / "build-packages.install.lock"
LIBRARY = re.compile(r"lib[^/]+\.so\.[0-9.]+")
ELF = b"\x7fELF"
# Packages recommended or suggested by others need not stay: the host did without them before.
AUTOREMOVE = (
    "autoremove",
    "-oAPT::AutoRemove::RecommendsImportant=false",
    "-oAPT::AutoRemove::SuggestsImportant=false",
)


class PackagesError(Exception):
    """apt or dpkg failed; the message is its own."""


@contextmanager
def build_packages(asked: dict[str, Any]) -> Iterator[None]:
    """Keeps the packages installed while the context is active.

    `asked`: {"packages", "declared": packages that the host has for other reasons, "stamp": file as
    old as the package lists, "fresh": seconds, "update", "install", "purge": shell, "results":
    directories that the build makes}. Raises PackagesError.
    """
    if not asked["packages"] and not REGISTER.exists():
        yield
        return
    STATE.mkdir(parents=True, exist_ok=True)
    with os.fdopen(open_own(str(IN_USE)), "w") as in_use:
        fcntl.flock(in_use, fcntl.LOCK_SH)
        try:
            if asked["packages"]:
                _install(asked)
            yield
            if asked["packages"]:
                _keep_linked(asked["results"])
        finally:
            fcntl.flock(in_use, fcntl.LOCK_UN)
            # If another build is still running, it removes them when it ends.
            with suppress(BlockingIOError):
                fcntl.flock(in_use, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove(asked)


def _install(asked: dict[str, Any]) -> None:
    with os.fdopen(open_own(str(INSTALLING)), "w") as installing:
        fcntl.flock(installing, fcntl.LOCK_EX)
        missing = sorted(set(asked["packages"]) - _installed(asked["packages"]))
        if not missing:
            return
        print(f"--> install {', '.join(missing)} for builds", flush=True)
        if _age(Path(asked["stamp"])) > asked["fresh"]:
            _run(["sh", "-c", asked["update"]])
        simulated = _run(["apt-get", "--simulate", "--no-install-recommends", "install", *missing])
        # For an upgrade, apt prints the installed version in brackets.
        new = set(re.findall(r"^Inst (\S+) \(", simulated, re.MULTILINE))
        REGISTER.write_text("".join(f"{name}\n" for name in sorted(_registered() | new)))
        _run(["sh", "-c", asked["install"], "sh", *missing])


def _keep_linked(results: list[str]) -> None:
    """Marks packages as manually installed if files in `results` refer to their shared
    libraries."""
    libraries = {}
    for package in sorted(_installed(sorted(_registered()))):
        for path in _run(["dpkg-query", "--listfiles", package]).splitlines():
            name = path.rpartition("/")[2]
            if LIBRARY.fullmatch(name):
                libraries[name.encode() + b"\0"] = package
    if not libraries:
        return
    linked = {package for path in _programs(results) for package in _named(path, libraries)}
    if linked:
        names = sorted(linked)
        print(f"--> keep {', '.join(names)}: what was built is linked with it", flush=True)
        _run(["apt-mark", "manual", *names])


def _programs(folders: list[str]) -> Iterator[str]:
    """Files below `folders` that may be shared libraries or programs; links are not followed."""
    for folder in folders:
        for place, _, names in os.walk(folder):
            for name in names:
                path = os.path.join(place, name)
                state = os.lstat(path)
                likely = ".so" in name or state.st_mode & 0o111
                if stat.S_ISREG(state.st_mode) and likely and state.st_size > len(ELF):
                    yield path


def _named(path: str, libraries: dict[bytes, str]) -> set[str]:
    """The packages whose libraries an ELF file refers to; empty for other files."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        if file.read(len(ELF)) != ELF:
            return set()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return {package for name, package in libraries.items() if content.find(name) >= 0}


def _remove(asked: dict[str, Any]) -> None:
    registered = _installed(sorted(_registered()))
    declared = registered.intersection(asked["declared"])
    if declared:
        _run(["apt-mark", "manual", *sorted(declared)])
    unneeded = _removed(_run(["apt-get", "--simulate", *AUTOREMOVE]))
    surplus = sorted(unneeded & registered - declared)
    if surplus:
        # Skip the removal if it would remove packages that builds did not install.
        others = _removed(_run(["apt-get", "--simulate", "purge", *surplus])) - registered
        if not others:
            print(f"--> remove {len(surplus)} packages of builds", flush=True)
            _run(["sh", "-c", asked["purge"], "sh", *surplus])
    REGISTER.unlink(missing_ok=True)


def _registered() -> set[str]:
    return set(REGISTER.read_text().split()) if REGISTER.exists() else set()


def _removed(simulated: str) -> set[str]:
    return set(re.findall(r"^(?:Remv|Purg) (\S+)", simulated, re.MULTILINE))


def _installed(names: list[str]) -> set[str]:
    if not names:
        return set()
    query = ["dpkg-query", "--show", "--showformat=${db:Status-Status} ${Package}\\n", *names]
    done = subprocess.run(query, capture_output=True, text=True, check=False)
    rows = [line.split(" ") for line in done.stdout.splitlines()]
    return {name for status, name in rows if status == "installed"}


def _age(stamp: Path) -> float:
    try:
        return time.time() - stamp.stat().st_mtime
    except OSError:
        return float("inf")


def _run(command: list[str]) -> str:
    done = subprocess.run(
        command,
        env={"PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        reason = done.stderr.strip() or f"exit status {done.returncode}"
        raise PackagesError(f"packages for the build: {reason}")
    return done.stdout
