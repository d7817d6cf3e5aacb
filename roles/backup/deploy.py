"""Operations of backups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pyinfra.api import deploy

from groundcrew.contract import BackupSource
from groundcrew.manifest.model import AppSettings
from groundcrew.operations import files
from groundcrew.roles.backup import builders, operations
from groundcrew.roles.backup.settings import BackupSettings, folder_name


@deploy("backups")
def prepare(
    settings: BackupSettings,
    host_name: str,
    apps: Mapping[str, AppSettings],
    sources: Sequence[BackupSource],
    secrets: Mapping[tuple[str, ...], str],
) -> None:
    """Brings what backups and restores need."""
    plan = builders.plan(settings, host_name, apps, sources)
    files.manage(
        name="programs, plan and keys",
        entries=[
            *builders.entries(settings, plan, sources),
            *builders.secret_entries(settings, secrets),
        ],
        # A key that does not open the repositories never replaces the one that does.
        validate=f"{operations.PROGRAM} fits",
    )


@deploy("backups")
def log_in(settings: BackupSettings, host_name: str) -> None:
    """Makes up what the host logs in with at targets."""
    identities = builders.identities(settings)
    if identities:
        request = {"host": folder_name(host_name), "identities": identities}
        operations.make_identities(name="SSH keys", request=request)


@deploy("backups")
def apply(settings: BackupSettings, host_name: str, sources: Sequence[BackupSource]) -> None:
    """Starts the timers, and makes the first backup if there is none."""
    wanted = builders.timers(sources)
    operations.begin(
        name="timers",
        request={
            "host": folder_name(host_name),
            "timers": wanted,
            "unwanted": [kind for kind in builders.KINDS
                         if f"groundcrew-backup-{kind}.timer" not in wanted],
            "identities": builders.identities(settings),
        },
    )  # fmt: skip
    operations.first(name="first backup")
