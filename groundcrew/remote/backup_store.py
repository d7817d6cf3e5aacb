"""Stores backups at their targets, with restic.

Each host has a repository of its own at each target, encrypted with the host's key. Data that
belongs together is a set, such as `postgresql` or `app:shop`; each backup of a set is a snapshot. A
library; standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from groundcrew.remote.backup_bucket import folders
from groundcrew.remote.commands import TIED
from groundcrew.remote.printable import printable

Data = dict[str, Any]
CACHE = "/var/cache/groundcrew/restic"
LONGEST = 6 * 3600
"""Seconds after which a backup or restore is given up."""


class StoreError(Exception):
    """A target refuses something or does not answer; the message names it and says why."""


class LockedError(StoreError):
    """A lock in the repository is in the way: of a program that runs, or was killed."""


class IncompleteError(StoreError):
    """A backup was made, and lacks files that could not be read."""

    def __init__(self, text: str, told: list[Data]) -> None:
        super().__init__(text)
        self.told = told
        """What restic says of the backup."""


class Snapshot(NamedTuple):
    """One backup of a set."""

    id: str
    set: str
    at: float
    """Seconds since 1970 at which it was made."""

    until: float
    """Seconds since 1970 up to which everything that was committed is in it."""

    paths: tuple[str, ...]


class Lock(NamedTuple):
    """A lock in a repository: a program of restic that runs, or was killed."""

    id: str
    host: str
    """Name that the host of the program has itself."""

    text: str
    """Which program, for people."""


class Store(NamedTuple):
    """A target, and the repository of a host there."""

    name: str
    target: Mapping[str, Any]
    host: str
    """Directory of the host's repository."""

    key: str
    """File with the key."""

    def options(self) -> list[str]:
        """Options of restic for this target. None of them is secret."""
        kind, target = self.target["kind"], self.target
        words = [f"--password-file={self.key}", f"--cache-dir={CACHE}", "--cleanup-cache"]
        if kind == "directory":
            return [*words, f"--repo={target['path']}/{self.host}"]
        if kind == "sftp":
            command = " ".join([*ssh(target), "-s", "sftp"])
            return [
                *words,
                f"--repo=sftp:{target['user']}@{target['host']}:{target['path']}/{self.host}",
                f"--option=sftp.command={command}",
            ]
        authority = [f"--cacert={target['ca']}"] if target.get("ca") else []
        # Addresses with the bucket as a part of the name need DNS that private servers rarely have.
        style = [] if "amazonaws.com" in target["url"] else ["--option=s3.bucket-lookup=path"]
        return [*words, f"--repo=s3:{target['url']}/{self.host}", *authority, *style]

    def environment(self) -> dict[str, str]:
        """The environment of restic. Only root can read that of root's processes."""
        chosen = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/root"}
        if self.target["kind"] == "s3":
            with open(self.target["credentials"], encoding="utf-8") as file:
                access, secret = file.read().splitlines()[:2]
            chosen["AWS_ACCESS_KEY_ID"], chosen["AWS_SECRET_ACCESS_KEY"] = access, secret
            chosen["AWS_DEFAULT_REGION"] = self.target["region"]
        return chosen

    def restic(self, *words: str, seconds: float = LONGEST) -> list[Data]:
        """The messages (JSON) of a restic command. Raises StoreError."""
        return messages(self.told(*words, seconds=seconds))

    def told(self, *words: str, seconds: float = LONGEST) -> str:
        """The output of a restic command, which ends with this program. Raises StoreError."""
        command = [*TIED, "/usr/bin/restic", "--json", "--quiet", *self.options(), *words]
        try:
            result = subprocess.run(
                command,
                check=False,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=seconds,
                cwd="/",
                env=self.environment(),
            )
        except subprocess.TimeoutExpired:
            raise StoreError(f"target {self.name}: no answer within {seconds:.0f} s") from None
        except OSError as error:
            raise StoreError(f"target {self.name}: {error.strerror}: {error.filename}") from None
        if result.returncode == UNREAD and "backup" in words:
            raise IncompleteError(unread(result.stderr), messages(result.stdout))
        if result.returncode != 0:
            kind = LockedError if LOCKED in result.stderr else StoreError
            raise kind(f"target {self.name}: {reason(result.stderr)}")
        return str(result.stdout)

    @property
    def patience(self) -> float:
        """Seconds that the target has to answer a question."""
        return float(self.target["timeout"])

    def exists(self) -> bool:
        """Whether the host's repository is there, and the key fits. Raises StoreError if the target
        does not answer or the key is another one."""
        self._refuse_unmounted()
        try:
            self.restic("cat", "config", seconds=self.patience)
        except StoreError as error:
            if is_missing(str(error)):
                return False
            raise
        return True

    def refuse_silent(self) -> None:
        """Raises StoreError, in good time, if the target does not answer: restic goes on trying
        for long. ssh gives up by itself."""
        self._refuse_unmounted()
        if self.target["kind"] == "s3":
            self.exists()

    def _refuse_unmounted(self) -> None:
        if self.target["kind"] == "directory" and not os.path.isdir(self.target["path"]):
            path = self.target["path"]
            raise StoreError(f"target {self.name}: {path} does not exist: is its disk mounted?")

    def create(self) -> None:
        """Makes the host's repository. Raises StoreError."""
        self.restic("init", seconds=self.patience)

    def unlock(self) -> None:
        """Removes locks whose process is gone. Locks of running ones stay."""
        self.restic("unlock", seconds=self.patience)

    def locking(self, *words: str) -> list[Data]:
        """The messages of a command that locks the repository. If a lock is in its way, those whose
        process is gone are removed first. Raises StoreError."""
        # Each command opens the repository anew, which takes a second of a processor: nothing is
        # asked beforehand that the command itself tells.
        try:
            return self.restic(*words)
        except LockedError:
            self.unlock()
            return self.restic(*words)

    def locks(self) -> list[Lock]:
        """The locks in the repository. Raises StoreError."""
        ids = self.told("list", "locks", "--no-lock", seconds=self.patience).split()
        return [lock for item in ids if (lock := self._lock(item))]

    def _lock(self, id_: str) -> Lock | None:
        """A lock by its ID; None if it is gone by now."""
        try:
            data = json.loads(self.told("cat", "lock", id_, "--no-lock", seconds=self.patience))
        except (StoreError, ValueError):
            return None
        host = str(data.get("hostname"))
        kind = "alone" if data.get("exclusive") else "with others"
        text = f"process {data.get('pid')} on {host} has used it {kind} since {data.get('time')}"
        return Lock(id_, host, printable(text))

    def add(
        self, set_name: str, paths: Sequence[str], until: float, without: Sequence[str] = ()
    ) -> Data:
        """Stores paths as a new snapshot, and makes the repository if there is none. Returns
        restic's summary, with `lacks` if files could not be read. Whether the target has kept it,
        `missing` says.

        `without` are paths below them that are left out, without what they contain.
        """
        words = ["backup", f"--host={self.host}", f"--tag=set={set_name}", f"--tag=until={until}"]
        words += [f"--exclude={escaped(path)}" for path in without]
        # One after the other: the host serves others meanwhile.
        lacks = {}
        try:
            printed = self._with_repository(*words, "--", *paths)
        except IncompleteError as error:
            printed, lacks = error.told, {"lacks": str(error)}
        summary = next((item for item in printed if item.get("message_type") == "summary"), {})
        if not summary.get("snapshot_id"):
            raise StoreError(f"target {self.name}: restic made no snapshot of {set_name}")
        return {**summary, **lacks}

    def _with_repository(self, *words: str) -> list[Data]:
        """The messages of a command; the repository is made if that is what it lacks."""
        try:
            return self.locking(*words)
        except StoreError as error:
            # What is backed up may be missing too.
            if not is_missing(str(error)) or self.exists():
                raise
        self.create()
        return self.locking(*words)

    def missing(self, made: Sequence[str]) -> list[str]:
        """Which of the snapshots that restic has made, by ID, the target does not have: it may
        accept data and drop it. Raises StoreError."""
        there = [item.id for item in self.snapshots()]
        return [made_id for made_id in made if not any(id_.startswith(made_id) for id_ in there)]

    def snapshots(self) -> list[Snapshot]:
        """The snapshots of all sets, the newest last. Raises StoreError."""
        entries = self.restic("snapshots", "--no-lock", seconds=self.patience)
        parsed = [snapshot(item) for item in entries]
        return sorted((item for item in parsed if item), key=lambda item: item.at)

    def restore(self, chosen: Snapshot, folder: str) -> None:
        """Writes a snapshot below a directory, which only root can enter. Raises StoreError.

        Everything is read from the target: what this host has cached would hide its damage.
        """
        self.restic("restore", chosen.id, f"--target={folder}", "--no-lock", "--no-cache")

    def forget(self, keep: Mapping[str, int]) -> None:
        """Removes the snapshots of every set that are not kept, and their data."""
        words = [f"--keep-{name}={number}" for name, number in keep.items() if number]
        self.locking("forget", "--group-by=host,paths", "--keep-within=1d", *words, "--prune")

    def check(self, share: str) -> None:
        """Checks the repository, and reads a share of its data (`5%`). Raises StoreError."""
        self.locking("check", f"--read-data-subset={share}")

    def space(self) -> tuple[int, int] | None:
        """Free and total bytes of the target; None if it does not say."""
        if self.target["kind"] == "directory":
            state = os.statvfs(self.target["path"])
            return state.f_bavail * state.f_frsize, state.f_blocks * state.f_frsize
        if self.target["kind"] == "sftp":
            return parsed_df(self._sftp(f"df {self.target['path']}") or "")
        return None

    def hosts(self) -> list[str]:
        """The hosts that have a repository there; none if the target does not tell."""
        path = self.target.get("path")
        if self.target["kind"] == "directory":
            return sorted(
                name for name in os.listdir(path) if os.path.exists(f"{path}/{name}/config")
            )
        if self.target["kind"] == "sftp":
            lines = (self._sftp(f"ls -1 {path}") or "").splitlines()
            return sorted(os.path.basename(line.strip()) for line in lines if "sftp>" not in line)
        return folders(self.target, self.environment(), self.patience)

    def _sftp(self, command: str) -> str | None:
        """The output of a command of sftp; None if it fails."""
        program = ["/usr/bin/sftp", "-q", "-b", "-", *sftp(self.target)]
        try:
            result = subprocess.run(
                program, input=f"{command}\n", check=False, capture_output=True, text=True,
                errors="replace", timeout=self.patience, env=self.environment(),
            )  # fmt: skip
        except (subprocess.TimeoutExpired, OSError):
            return None
        return result.stdout if result.returncode == 0 else None


NOT_THERE = ("no such file", "not exist")
"""What targets of all kinds say of a file that is not there, and not of one that is refused."""

UNREAD = 3
"""restic's exit status for a backup that was made without some files."""
LOCKED = "repository is already locked"
OTHER_KEY = "its repository of this host has another key: set backup.key to that one"
REFUSED = "Permission denied ("
WRONG_KEY = "wrong password or no key found"


def _ssh_options(target: Mapping[str, Any]) -> list[str]:
    return [
        "-oBatchMode=yes",
        f"-oIdentityFile={target['identity']}",
        "-oIdentitiesOnly=yes",
        f"-oUserKnownHostsFile={target['known_hosts']}",
        "-oGlobalKnownHostsFile=/dev/null",
        "-oStrictHostKeyChecking=yes",
        f"-oConnectTimeout={int(target['timeout'])}",
        "-oServerAliveInterval=15",
        "-oServerAliveCountMax=4",
        "-oPasswordAuthentication=no",
    ]


def ssh(target: Mapping[str, Any]) -> list[str]:
    """The command line of ssh for an SFTP target, without the subsystem. Host keys are those of the
    settings and no others."""
    place = f"{target['user']}@{target['host']}"
    return ["ssh", "-F", "/dev/null", "-p", str(target["port"]), *_ssh_options(target), place]


def sftp(target: Mapping[str, Any]) -> list[str]:
    """The arguments of sftp for an SFTP target."""
    place = f"{target['user']}@{target['host']}"
    return ["-F", "/dev/null", "-P", str(target["port"]), *_ssh_options(target), place]


def is_missing(text: str) -> bool:
    """Whether an error of restic says that there is no repository. A target that lets nobody look
    does not: the repository may be there."""
    asked = "config file" in text or "repository" in text
    return asked and any(words in text for words in NOT_THERE)


def parsed_df(text: str) -> tuple[int, int] | None:
    """Free and total bytes from the output of sftp's `df` (KiB); None if it has none."""
    rows = [line.split() for line in text.splitlines() if line.strip().endswith("%")]
    try:
        size, _, available = (int(word) << 10 for word in rows[-1][:3])
    except (IndexError, ValueError):
        return None
    return available, size


def messages(text: str) -> list[Data]:
    """restic's output: JSON values, one on each line, or one list."""
    values: list[Data] = []
    for line in text.splitlines():
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError:
            continue
        values += [item for item in (value if isinstance(value, list) else [value])
                  if isinstance(item, dict)]  # fmt: skip
    return values


def reason(text: str) -> str:
    """The line of restic's errors that says most; one with a next step where restic has none."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    texts = [item.get("message") or item.get("error", {}).get("message", "")
            for item in messages(text)]  # fmt: skip
    lines += [line for line in texts if line]
    if any(WRONG_KEY in line for line in lines):
        return OTHER_KEY
    for words in ("REMOTE HOST IDENTIFICATION", "Host key verification failed"):
        if any(words in line for line in lines):
            return (
                "its host key is not the one in the settings (host_keys): make sure why before you "
                "change them there"
            )
    if any(REFUSED in line for line in lines):
        return (
            "it refuses the SSH key of this host: put the public key that playbooks/backup_key.py "
            "shows, or that of `identity`, into authorized_keys there"
        )
    held = next((line for line in lines if LOCKED in line), None)
    if held:
        holder = printable(held.partition(LOCKED)[2].strip())[:300]
        return (
            f"another program uses its repository of this host ({holder}). If that is gone, its "
            "lock counts as left behind half an hour after it was last renewed"
        )
    marked = [line for line in lines if line.startswith(("Fatal", "fatal", "error", "ssh:"))]
    return printable((marked or lines or ["restic failed without a message"])[0])[:500]


def unread(text: str) -> str:
    """What a backup lacks, from restic's errors. Applications choose the names of their files, such
    as one in more directories than a path may have."""
    names = list(dict.fromkeys(str(item["item"]) for item in messages(text) if item.get("item")))
    if not names:
        return "a file cannot be read"
    first = names[0] if len(names[0]) <= 200 else f"{names[0][:200]}..."
    more = f" and {len(names) - 1} more" if names[1:] else ""
    # On one line, whatever the name has.
    return f"{json.dumps(first)[1:-1]}{more} cannot be read"


def escaped(path: str) -> str:
    """A path as a pattern of restic that matches nothing else."""
    return "".join(f"\\{letter}" if letter in "\\*?[" else letter for letter in path)


def snapshot(item: Mapping[str, Any]) -> Snapshot | None:
    """A snapshot from restic's list; None if it is none of ours."""
    tags = dict(tag.split("=", 1) for tag in item.get("tags") or () if "=" in tag)
    if "set" not in tags or "until" not in tags or "id" not in item:
        return None
    return Snapshot(
        item["id"], tags["set"], moment(item["time"]), float(tags["until"]),
        tuple(item.get("paths") or ()),
    )  # fmt: skip


def moment(text: str) -> float:
    """Seconds since 1970 of a time as restic writes it, with up to nine decimals."""
    head, _, rest = text.partition(".")
    digits = "".join(letter for letter in rest if letter.isdigit() or letter in "+-:Z")
    zone = next((digits[i:] for i, letter in enumerate(digits) if letter in "+-Z"), "")
    if not rest:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
    fraction = digits[: len(digits) - len(zone)][:6].ljust(6, "0")
    return datetime.fromisoformat(f"{head}.{fraction}{zone.replace('Z', '+00:00')}").timestamp()


def newest(
    snapshots: Sequence[Snapshot], at: float | None = None, exact: bool = False
) -> Snapshot | None:
    """The newest snapshot; with `at`, the newest of that time or before. Of an `exact` set, from
    which any earlier moment can be restored, it is the first that has everything up to then."""
    if at is None:
        return snapshots[-1] if snapshots else None
    if exact:
        later = [item for item in snapshots if item.until >= at]
        return later[0] if later else (snapshots[-1] if snapshots else None)
    earlier = [item for item in snapshots if item.until <= at]
    return earlier[-1] if earlier else None
