"""Backups: encrypted copies at one or more targets, restores, and drills that prove them."""

from groundcrew.roles.backup.deploy import apply, log_in, prepare
from groundcrew.roles.backup.settings import BackupSettings

__all__ = ["BackupSettings", "apply", "log_in", "prepare"]
