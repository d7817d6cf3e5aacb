"""Settings of backups."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, StringConstraints, Tag, field_validator

from groundcrew.contract import Brings, HostView, RoleSettings
from groundcrew.manifest.secret import OperatorSecret, SecretSource
from groundcrew.manifest.types import OneLine, Size
from groundcrew.model import Settings, by_type

TargetName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,23}$")]
Folder = Annotated[str, StringConstraints(pattern=r"^/[A-Za-z0-9._/-]*[A-Za-z0-9._-]$")]
Calendar = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9 .,:*/~-]+$")]
HostKey = Annotated[
    str, StringConstraints(pattern=r"^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp\d+) [A-Za-z0-9+/=]+$")
]


class Target(Settings):
    """What all targets have."""

    timeout: int = Field(60, ge=5, le=3600)
    """Seconds within which the target must answer; after that the backup to it has failed."""


class DirectoryTarget(Target):
    """A directory on the host, such as a mounted disk or NFS share."""

    type: Literal["directory"]
    """Kind of target."""

    path: Folder
    """The directory. It must exist: if a disk is not mounted, nothing is written."""


class SftpTarget(Target):
    """A server that is reached by SFTP."""

    type: Literal["sftp"]
    """Kind of target."""

    host: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.:-]+$")]
    """Name or address of the server."""

    port: int = Field(22, ge=1, le=65535)
    """Port of its SSH server."""

    user: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]+$")]
    """User on the server."""

    path: Folder
    """Directory on the server. It must exist."""

    host_keys: tuple[HostKey, ...] = Field(min_length=1)
    """Host keys of the server (`ssh-ed25519 AAAA...`), as `ssh-keyscan` prints them without the
    name. The host refuses a server with any other key."""

    identity: OperatorSecret | None = None
    """Private SSH key for the server. null: the host generates one; put its public key, which
    `playbooks/backup_key.py` shows, into the server's authorized_keys."""


class S3Target(Target):
    """A bucket of Amazon S3 or of a compatible service."""

    type: Literal["s3"]
    """Kind of target."""

    url: Annotated[str, StringConstraints(pattern=r"^https?://[^/\s]+/[^\s]+$")]
    """Address with bucket and path: `https://s3.eu-central-1.amazonaws.com/acme-backups/prod`."""

    region: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+$")] = "us-east-1"
    """Region of the bucket."""

    access_key: OperatorSecret
    """Access key ID. It needs to read, write, list and delete below the path."""

    secret_key: OperatorSecret
    """Secret access key."""

    @field_validator("url")
    @classmethod
    def _secure(cls, value: str) -> str:
        if value.startswith("http://") and urlsplit(value).hostname not in ("127.0.0.1", "::1"):
            raise ValueError("expected https://: the credentials would be readable on the way")
        return value.rstrip("/")


AnyTarget = Annotated[
    Annotated[DirectoryTarget, Tag("that is directory")]
    | Annotated[SftpTarget, Tag("that is sftp")]
    | Annotated[S3Target, Tag("that is s3")]
    | Annotated[None, Tag("that is taken out")],
    by_type("directory", "sftp", "s3", expected="'directory', 'sftp' or 's3'"),
]
"""Any kind of target; `type` selects it. null takes it out."""


class Keep(Settings):
    """How many backups are kept, besides all of the last 24 hours."""

    daily: int = Field(7, ge=1)
    """Days of which the last backup is kept."""

    weekly: int = Field(4, ge=0)
    """Weeks of which the last backup is kept."""

    monthly: int = Field(6, ge=0)
    """Months of which the last backup is kept."""


class Times(Settings):
    """When backups are made, as [systemd calendar
    events](https://manpages.debian.org/bookworm/systemd/systemd.time.7.en.html)."""

    full: Calendar = "Sun 01:30"
    """Full backups of databases, and all files."""

    daily: Calendar = "Mon..Sat 01:30"
    """Changes in databases since the last full backup, and all files."""

    logs: Calendar = "*:0/5"
    """Transactions that were committed to databases since the last run."""

    check: Calendar = "Wed 03:30"
    """Check of the repositories."""

    drill: Calendar = "Tue 03:30"
    """Drill, with the target whose last drill is the oldest."""

    jitter: OneLine = "20min"
    """Time by which all but `logs` are delayed at random, so that not all hosts begin at once."""


class BackupSettings(RoleSettings):
    """Backups of a host: its applications' databases, directories and secrets, and its
    certificates and logins.

    What is backed up follows from the applications. Nothing is backed up without a target. A backup
    counts as good once a drill has restored it and the application has started on it.
    """

    targets: dict[TargetName, AnyTarget] = Field(default_factory=dict)
    """Where backups are stored, by a name of your choice; each target gets all backups. Each host
    has a directory of its own there, encrypted with its key. null removes a target; its backups
    stay."""

    key: OperatorSecret | None = None
    """Key that encrypts the backups: any long random text. Nobody can read the backups without it,
    so keep it outside the hosts. null: the host generates one, and verify warns until you have
    stored it elsewhere; `playbooks/backup_key.py` shows it."""

    key_stored: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}$")] | None = None
    """The eight characters that `playbooks/backup_key.py` shows with a key that the host has
    generated. They confirm that you have stored the key elsewhere."""

    start_anew: bool = False
    """Whether a new host may store backups at a target that has backups of an earlier host of the
    same name. With false it stores none until these have been restored. The earlier backups are
    kept like all others."""

    keep: Keep = Keep()
    """How many backups are kept."""

    times: Times = Times()
    """When backups are made."""

    paths: tuple[Folder, ...] = ()
    """More files and directories of the host that are backed up."""

    rpo: int = Field(15, ge=1)
    """Largest age of the newest backup of a database, in minutes. verify and drills fail above
    it."""

    rto: int = Field(30, ge=1)
    """Longest time until an application serves from a backup in a drill, in minutes."""

    drill_memory: Size = "1G"
    """Memory that a drill may use: scratch databases and applications together."""

    drill_cpu: Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]*%$")] = "100%"
    """CPU time that a drill may use, as a share of one processor."""

    check_share: Annotated[str, StringConstraints(pattern=r"^([1-9][0-9]?|100)%$")] = "5%"
    """Share of the stored data that the weekly check reads."""

    full_at: Annotated[str, StringConstraints(pattern=r"^([1-9][0-9]?)%$")] = "90%"
    """Share of a target's disk space above which verify fails."""

    @property
    def used(self) -> dict[str, DirectoryTarget | SftpTarget | S3Target]:
        """The targets that are not taken out."""
        return {name: item for name, item in self.targets.items() if item is not None}

    def secrets(self) -> Iterator[tuple[tuple[str, ...], SecretSource]]:
        """The secrets of the operator: key in the settings -> source."""
        if self.key and self.used:
            yield ("key",), self.key
        for name, item in self.used.items():
            for field in ("identity", "access_key", "secret_key"):
                source = getattr(item, field, None)
                if source is not None:
                    yield ("targets", name, field), source

    def brings(self, host: HostView) -> Brings:  # noqa: ARG002
        """See `roles/backup/brings.py`."""
        from groundcrew.roles.backup.brings import brings  # noqa: PLC0415 - it needs this module

        return brings(self)


def folder_name(host: str) -> str:
    """Directory of a host at a target."""
    return re.sub(r"[^A-Za-z0-9.-]", "-", host).lstrip(".-") or "host"
