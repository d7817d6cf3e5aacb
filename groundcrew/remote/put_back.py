"""The way back of guarded changes: who decides on one, and putting it back.

Part of `guard`, which makes a change, and of `guard_back`, which stays on the host. A change has a
directory below STATE, on disk, so that it outlives a power cut. Its name says what became of it:

    NAME          made, and neither kept nor put back
    NAME.new      being prepared: nothing is changed yet
    NAME.kept     kept: only to be removed
    NAME.done     put back: only to be removed
    NAME.REST     claimed by somebody who puts it back, or who takes it over for another change

Whoever is to decide renames NAME first, which only one can. A claim that its holder did not live to
carry out is carried out by the next that comes along: putting back can be repeated, and a lock on
the directory keeps two from doing so at once. Standard library only, Python 3.9 or later.
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
    """Something was not done; the message says why."""


def state_of(name: str) -> Path:
    """The directory of the change `name`; raises GuardError where that is no name."""
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise GuardError(f"not the name of a change: {name!r}")
    return STATE / name


def sleeper(state: Path) -> str:
    """The unit that puts a change back when its time is up."""
    return f"groundcrew-guard-{state.name}.service"


def armed(name: str) -> bool:
    """Whether the sleeper of the change `name` is there: its runtime directory lives as long."""
    return (RUN / f"groundcrew-guard-{name}").exists()


def run(command: str, directory: Path, seconds: float | None = None) -> None:
    """Runs a shell command, raising GuardError with its output unless it exits 0, in `seconds`."""
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
    """Makes a file, or the names in a directory, survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check_owned(path: Path) -> None:
    """Raises GuardError unless nobody else can change what is in a directory."""
    found = os.lstat(path)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise GuardError(f"{path} is no directory that root alone can change")


def remove(directory: Path) -> None:
    """Removes a state directory that is of no more use."""
    shutil.rmtree(directory, ignore_errors=True)
    sync(directory.parent)


def claim(state: Path, claimant: str) -> Path | None:
    """Takes the decision on a change, so that nobody else does; None if there is none to take."""
    mine = state.with_name(f"{state.name}.{claimant}.{os.getpid()}")
    try:
        state.rename(mine)
    except FileNotFoundError:
        return None
    sync(state.parent)
    return mine


@contextmanager
def alone(directory: Path) -> Iterator[bool]:
    """Has a state directory to itself meanwhile; whether it is still there under that name.

    Raises GuardError when somebody else does not let go of it.
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
    """Locks an open directory; its holder's end ends the lock."""
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise GuardError(f"{directory}: somebody else is at it") from None
            time.sleep(0.1)
        else:
            return


def is_still(descriptor: int, directory: Path) -> bool:
    """Whether the open directory has that name."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(directory))
    except FileNotFoundError:
        return False


def put_back(directory: Path, boot: bool = False) -> None:
    """Puts back what a claimed directory says, and removes it; raises GuardError if it cannot.

    At boot only what is on disk: what runs is started from that afterwards.
    """
    with alone(directory) as there:
        if not there:
            return
        check_owned(directory)
        way: dict[str, Any] = json.loads((directory / "undo.json").read_text())
        problems = [*restore(directory, way["entries"]), *failures(way["restore"], directory)]
        if way["restore"]:
            # The entries are on the disk already, what the commands wrote is not.
            problems += failures([f"sync -f /etc {STATE}"], directory)
        ineffective = [] if boot else failures(way["reactivate"], directory)
        if problems:
            problems.append(f"what is to be put back is still in {directory}")
        else:
            finish(directory)
    if problems or ineffective:
        raise GuardError("\n".join(["not everything was put back:", *problems, *ineffective]))


def finish(directory: Path) -> None:
    """Removes what has been carried out; a power cut in between must not leave a part of it."""
    done = directory.with_name(f"{directory.name.partition('.')[0]}.done")
    shutil.rmtree(done, ignore_errors=True)
    directory.rename(done)
    sync(done.parent)
    remove(done)


def restore(directory: Path, entries: list[dict[str, Any]]) -> list[str]:
    """Puts paths back, all at once or else each that can be; what failed."""
    program = load(directory / "apply_files.py")
    try:
        program.Change(entries).apply(None)
    except (program.ChangeError, OSError):
        return [problem for entry in entries for problem in restore_one(program, entry)]
    return []


def restore_one(program: ModuleType, entry: dict[str, Any]) -> list[str]:
    """Puts one path back; what failed."""
    try:
        program.Change([entry]).apply(None)
    except (program.ChangeError, OSError) as error:
        return [f"{entry['path']}: {error}"]
    return []


def failures(commands: list[str], directory: Path) -> list[str]:
    """Runs all commands; what those say that failed."""
    found = []
    for command in commands:
        try:
            run(command, directory, COMMAND_SECONDS)
        except GuardError as error:
            found.append(str(error))
    return found


def settle(state: Path, boot: bool = False) -> None:
    """Carries out what was decided on a change of this name; raises GuardError if that fails."""
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
    """Puts the change back, or sees to it that whoever began to has; GuardError if that fails."""
    if claim(state, claimant) and claimant != "late":
        # Nothing is left for it to do. Where it has begun, it is not to be stopped.
        failures([f"systemctl stop {sleeper(state)}"], Path("/"))
    settle(state)


def put_back_at_boot() -> list[str]:
    """Puts back all changes that nobody kept, and clears away the rest; what failed."""
    check_owned(STATE)
    problems = []
    for name in sorted({path.name.partition(".")[0] for path in STATE.iterdir()}):
        try:
            state = state_of(name)
            # Somebody started the unit by hand: the sleeper sees to this one.
            if not armed(name):
                claim(state, "boot")
                settle(state, boot=True)
        except (GuardError, OSError, ValueError) as error:
            problems.append(f"{name}: {error}")
    return problems
