"""Makes a backup now.

pyinfra inventory/prod.py playbooks/backup.py -y [--data kind=full] [--limit HOST]
"""

from pyinfra import host

from groundcrew.roles.backup import operations
from groundcrew.settings import settings_for

settings = settings_for(host).settings

if settings.backed_up:
    operations.run_unit(name=f"backup | {settings.run.kind}", kind=settings.run.kind)
