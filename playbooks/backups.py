"""Lists the backups of every host at every target, and the hosts that are no longer in the
inventory.

pyinfra inventory/prod.py playbooks/backups.py -y [--limit HOST]

`--data backups.json=PATH` also writes them as JSON.
"""

from pyinfra import host, inventory

from groundcrew.roles.backup import operations
from groundcrew.roles.backup.settings import folder_name
from groundcrew.settings import settings_for

settings = settings_for(host).settings

if settings.backed_up:
    operations.show_backups(
        name="backup | list",
        hosts=[folder_name(item.name) for item in inventory],
        json_path=settings.backups.json_path,
    )
