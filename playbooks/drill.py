"""Restores the newest backup beside the live data, and starts the applications on it, now.

pyinfra inventory/prod.py playbooks/drill.py -y [--limit HOST]

It uses the target whose last drill is oldest, and touches nothing live.
"""

from pyinfra import host

from groundcrew.roles.backup import operations
from groundcrew.settings import settings_for

settings = settings_for(host).settings

if settings.backed_up:
    operations.run_unit(name="backup | drill", kind="drill")
