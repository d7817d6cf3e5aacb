"""Restarts applications: their workers are replaced, requests are not refused.

pyinfra inventory/prod.py playbooks/restart.py -y [--data app=NAME]
"""

from pyinfra import host, inventory

from groundcrew.releases import rollback
from groundcrew.settings import settings_for
from roles import wiring

settings = settings_for(host).settings

for name in host.loop(wiring.asked_apps(inventory)):
    if name in settings.app:
        rollback.restart(name=f"{name}: restart", target=wiring.target(name, settings))
