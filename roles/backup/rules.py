"""Alerts about backups, from the metrics that the program on the host writes. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from groundcrew.metrics import HOST, HOSTS, Rule
from groundcrew.roles.backup.checks import DRILL_AGE, FILES_AGE, RETENTION_AGE
from groundcrew.roles.backup.settings import BackupSettings

FILES = "app:.+|host"
"""Sets that are stored once a day."""
MINUTE, HOUR = 60, 3600


def rules(settings: BackupSettings) -> Iterator[Rule]:
    """Backups are young enough, and restores work: what verify checks, all the time."""
    age = f"time() - groundcrew_backup_until_seconds{{{HOSTS}"
    # A run that is being made is not late yet.
    limit = settings.rpo * 60 + 5 * MINUTE
    yield Rule(
        "BackupOld",
        f'({age},set!~"{FILES}"}}) > {limit} or ({age},set=~"{FILES}"}}) > {FILES_AGE}',
        MINUTE,
        "critical",
        "the newest backup of {{ $labels.set }} of {{ $labels.instance }} at {{ $labels.target }} "
        "is {{ $value | humanizeDuration }} old",
        "journalctl -u 'groundcrew-backup-*' shows why; playbooks/backup.py makes one now.",
    )
    yield Rule(
        "BackupMissing",
        f'up{{job="{HOST}",{HOSTS}}} == 1 '
        f"unless on (instance) groundcrew_backup_until_seconds{{{HOSTS}}}",
        HOUR,
        "critical",
        "{{ $labels.instance }} has no backup",
        "playbooks/backup.py makes one, and shows the error.",
    )
    yield Rule(
        "DrillFailed",
        f"groundcrew_backup_drill_good{{{HOSTS}}} == 0",
        0,
        "critical",
        "the last drill of {{ $labels.instance }} has failed: its backup at "
        "{{ $labels.target }} may not be restorable",
        "playbooks/status.py shows the reasons; playbooks/drill.py repeats it.",
    )
    yield Rule(
        "DrillOld",
        f"time() - groundcrew_backup_drill_seconds{{{HOSTS}}} > {DRILL_AGE}",
        HOUR,
        "warning",
        "no backup of {{ $labels.instance }} has been restored for {{ $value | humanizeDuration }}",
        "playbooks/drill.py does it now.",
    )
    yield Rule(
        "RetentionOld",
        f"time() - groundcrew_backup_retention_seconds{{{HOSTS}}} > {RETENTION_AGE}",
        HOUR,
        "warning",
        "old backups of {{ $labels.instance }} at {{ $labels.target }} have not been removed for "
        "{{ $value | humanizeDuration }}",
        "journalctl -u 'groundcrew-backup-*' shows why; the target fills up meanwhile.",
    )
    yield Rule(
        "BackupTargetFull",
        f"100 - 100 * groundcrew_backup_target_free_bytes{{{HOSTS}}} "
        f"/ groundcrew_backup_target_bytes{{{HOSTS}}} > {int(settings.full_at.rstrip('%'))}",
        HOUR,
        "warning",
        'the target {{ $labels.target }} of {{ $labels.instance }} is {{ $value | printf "%.0f" }} '
        "% full",
        "Enlarge it, or keep fewer backups (backup.keep).",
    )
