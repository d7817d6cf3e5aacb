"""What dashboards show of backups. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from groundcrew.dashboards import Panel, Query, panel
from groundcrew.metrics import HOSTS
from groundcrew.roles.backup.checks import DRILL_AGE, FILES_AGE
from groundcrew.roles.backup.rules import FILES
from groundcrew.roles.backup.settings import BackupSettings

SET = "{{set}} of {{instance}} at {{target}}"
TARGET = "{{instance}} at {{target}}"


def panels(settings: BackupSettings) -> Iterator[Panel]:
    """How old backups and drills are, and how full targets are."""
    age = f"time() - groundcrew_backup_until_seconds{{{HOSTS}"
    yield panel(
        "backups",
        "Age of the oldest newest backup",
        Query(f'max({age},set!~"{FILES}"}})', "databases"),
        Query(f'max({age},set=~"{FILES}"}})', "files"),
        unit="s",
        kind="number",
    )
    yield panel(
        "backups",
        "Drills that have failed",
        Query(f"groundcrew_backup_drill_good{{{HOSTS}}} == 0", TARGET),
        kind="table",
    )
    yield panel(
        "backups",
        "Age of backups of databases",
        Query(f'{age},set!~"{FILES}"}}', SET),
        unit="s",
        limits=(settings.rpo * 60,),
    )
    yield panel(
        "backups",
        "Age of backups of files",
        Query(f'{age},set=~"{FILES}"}}', SET),
        unit="s",
        limits=(FILES_AGE,),
    )
    yield panel(
        "backups",
        "Age of the last drill",
        Query(f"time() - groundcrew_backup_drill_seconds{{{HOSTS}}}", TARGET),
        unit="s",
        limits=(DRILL_AGE,),
    )
    yield panel(
        "backups",
        "Targets: space in use",
        Query(
            f"100 - 100 * groundcrew_backup_target_free_bytes{{{HOSTS}}} "
            f"/ groundcrew_backup_target_bytes{{{HOSTS}}}",
            TARGET,
        ),
        unit="%",
        most=100,
        limits=(int(settings.full_at.rstrip("%")),),
    )
