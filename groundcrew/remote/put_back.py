"""Restores the state before guarded changes, and settles who decides on a change.

Part of `guard`, which makes a change, and of `guard_back`, which stays on the host. A change has a
directory below STATE, on disk, so that it outlives a power cut. Its name is its state:

    NAME          made, and neither kept nor undone
    NAME.new      being prepared; nothing is changed yet
    NAME.kept     kept; only to be removed
    NAME.done     undone; only to be removed
    NAME.REST     claimed by a process that undoes it, or takes it over for another change

A process that decides renames NAME first, which only one can do. If it dies before it has carried
out the decision, the next process does so: restoring can be repeated, and a lock on the directory
prevents two processes from doing it at once. Standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import fcntl
import importlib.util
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

STATE = Path("/var/lib/groundcrew/guard")
RUN = Path("/run")
FINISHED = ("kept", "done")
COMMAND_SECONDS = 30
LOCK_SECONDS = 45.0


class GuardError(Exception):
    """An action was not carried out; the message says why."""


def state_of(name: str) -> Path:
    """The directory of the change `name`. Raises GuardError for an invalid name."""
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise GuardError(f"not the name of a change: {name!r}")
    return STATE / name


def sleeper(state: Path) -> str:
    """The unit that restores the state before a change when the time is up."""
    return f"groundcrew-guard-{state.name}.service"


def armed(name: str) -> bool:
    """Whether the sleeper of the change `name` runs: its runtime directory exists as long as it
    does."""
    return (RUN / f"groundcrew-guard-{name}").exists()


def run(command: str, directory: Path, seconds: float | None = None) -> None:
    """Runs a shell command. Raises GuardError, with its output, unless it exits with 0 within
    `seconds`."""
    try:
        result = subprocess.run(
            command,
            shell=True,
            check=False,
            cwd=directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        raise GuardError(f"`{command}` did not end within {seconds} seconds") from None
    if result.returncode != 0:
        raise GuardError(f"`{command}` failed:\n{(result.stdout + result.stderr).rstrip()}")


def load(path: Path) -> ModuleType:
    """Imports a program from a file."""
    sys.dont_write_bytecode = True
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise GuardError(f"cannot load {path}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def sync(path: Path) -> None:
    """Syncs a file, or the entries of a directory, so that they survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check_owned(path: Path) -> None:
    """Raises GuardError if anyone but root can change the contents of a directory."""
    state = os.lstat(path)
    if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.geteuid() or state.st_mode & 0o022:
        raise GuardError(f"{path} is no directory that root alone can change")


def remove(directory: Path) -> None:
    """Removes a state directory that is no longer needed."""
    shutil.rmtree(directory, ignore_errors=True)
    sync(directory.parent)


def claim(state: Path, claimant: str) -> Path | None:
    """Claims the decision on a change, so that no other process can; None if there is none to
    claim."""
    mine = state.with_name(f"{state.name}.{claimant}.{os.getpid()}")
    try:
        state.rename(mine)
    except FileNotFoundError:
        return None
    sync(state.parent)
    return mine


@contextmanager
def alone(directory: Path) -> Iterator[bool]:
    """Locks a state directory while the context is active; yields whether it still exists under
    that name.

    Raises GuardError if another process does not release its lock.
    """
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except FileNotFoundError:
        yield False
        return
    try:
        wait_for_lock(descriptor, directory)
        yield is_still(descriptor, directory)
    finally:
        os.close(descriptor)


def wait_for_lock(descriptor: int, directory: Path) -> None:
    """Locks an open directory; the lock ends with its holder. Raises GuardError after
    LOCK_SECONDS."""
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise GuardError(f"{directory}: another process is at work on it") from None
            time.sleep(0.1)
        else:
            return


def is_still(descriptor: int, directory: Path) -> bool:
    """Whether the open directory still has this name."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(directory))
    except FileNotFoundError:
        return False


def put_back(directory: Path, boot: bool = False) -> None:
    """Restores the state recorded in a claimed directory, and removes the directory. Raises
    GuardError if that fails.

    At boot, only the state on disk is restored: services start from it afterwards.
    """
    with alone(directory) as there:
        if not there:
            return
        check_owned(directory)
        way: dict[str, Any] = json.loads((directory / "undo.json").read_text())
        problems = [*restore(directory, way["entries"]), *failures(way["restore"], directory)]
        if way["restore"]:
            # The entries are already synced; files written by the commands are not.
            problems += failures([f"sync -f /etc {STATE}"], directory)
        ineffective = [] if boot else failures(way["reactivate"], directory)
        if problems:
            problems.append(f"what is to be put back is still in {directory}")
        else:
            finish(directory)
    if problems or ineffective:
        raise GuardError("\n".join(["not everything was put back:", *problems, *ineffective]))


def finish(directory: Path) -> None:
    """Removes a directory whose state has been restored. A power cut must not leave a part of
    it."""
    done = directory.with_name(f"{directory.name.partition('.')[0]}.done")
    shutil.rmtree(done, ignore_errors=True)
    directory.rename(done)
    sync(done.parent)
    remove(done)


def restore(directory: Path, entries: list[dict[str, Any]]) -> list[str]:
    """Restores paths, all at once or, if that fails, one by one; returns what failed."""
    program = load(directory / "apply_files.py")
    try:
        program.Change(entries).apply(None)
    except (program.ChangeError, OSError):
        return [problem for entry in entries for problem in restore_one(program, entry)]
    return []


def restore_one(program: ModuleType, entry: dict[str, Any]) -> list[str]:
    """Restores one path; returns what failed."""
    try:
        program.Change([entry]).apply(None)
    except (program.ChangeError, OSError) as error:
        return [f"{entry['path']}: {error}"]
    return []


def failures(commands: list[str], directory: Path) -> list[str]:
    """Runs all commands; returns the messages of those that failed."""
    texts = []
    for command in commands:
        try:
            run(command, directory, COMMAND_SECONDS)
        except GuardError as error:
            texts.append(str(error))
    return texts


def settle(state: Path, boot: bool = False) -> None:
    """Carries out earlier decisions on changes of this name. Raises GuardError if that fails."""
    for path in sorted(state.parent.glob(f"{state.name}.*")):
        word = path.name.split(".")[1]
        if word in FINISHED:
            remove(path)
        elif word == "new":
            with alone(path) as there:
                if there:
                    remove(path)
        else:
            put_back(path, boot)


def decide(state: Path, claimant: str) -> None:
    """Restores the state before the change, or finishes what another process began. Raises
    GuardError if that fails."""
    if claim(state, claimant) and claimant != "late":
        # The sleeper has nothing left to do. If it has already begun, it must not be stopped.
        failures([f"systemctl stop {sleeper(state)}"], Path("/"))
    settle(state)


def put_back_at_boot() -> list[str]:
    """Restores the state before all changes that were not kept, and removes the rest; returns what
    failed."""
    check_owned(STATE)
    problems = []
    for name in sorted({path.name.partition(".")[0] for path in STATE.iterdir()}):
        try:
            state = state_of(name)
            # If the unit was started by hand, a running sleeper handles its change.
            if not armed(name):
                claim(state, "boot")
                settle(state, boot=True)
        except (GuardError, OSError, ValueError) as error:
            problems.append(f"{name}: {error}")
    return problems
