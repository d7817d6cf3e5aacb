"""What backups bring to a host."""

from __future__ import annotations

from functools import partial

from groundcrew.contract import Brings, Reads, StatusLines
from groundcrew.roles.backup.checks import backups, status
from groundcrew.roles.backup.panels import panels
from groundcrew.roles.backup.rules import rules
from groundcrew.roles.backup.settings import BackupSettings

ON_HOST = "groundcrew.roles.backup.on_host"


def brings(settings: BackupSettings) -> Brings:
    """Packages and checks, on hosts that are backed up."""
    if not settings.used:
        return Brings()
    request = {
        "directories": {
            name: item.path for name, item in settings.used.items() if item.type == "directory"
        },
    }
    reads = Reads(ON_HOST, ("backup",), request)
    kinds = {item.type for item in settings.used.values()}
    clients = {"sftp": "openssh-client", "s3": "curl"}
    return Brings(
        packages=("restic", "iproute2", *(clients[kind] for kind in kinds & clients.keys())),
        reads=[reads],
        checks={"backups": partial(backups, settings)},
        status=[StatusLines("backup", reads, status)],
        rules=tuple(rules(settings)),
        panels=tuple(panels(settings)),
    )
