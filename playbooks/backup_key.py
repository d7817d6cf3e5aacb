"""Shows the key of each host's backups, and public SSH keys that hosts have made up for targets.

pyinfra inventory/prod.py playbooks/backup_key.py -y [--limit HOST]

Store the key where no host is. Nobody can restore a lost host without it.
"""

from pyinfra import host

from groundcrew.roles.backup import operations
from groundcrew.settings import settings_for

if settings_for(host).settings.backed_up:
    operations.show_key(name="backup | key")
