"""Restarts applications: their workers are replaced, requests are not refused.

pyinfra inventory/prod.py playbooks/restart.py -y [--data app=NAME]
"""

from pyinfra import host, inventory

from groundcrew.releases import rollback
from groundcrew.settings import settings_for
from roles import wiring

loaded = settings_for(host)

for name in host.loop(wiring.asked_apps(inventory)):
    if name in loaded.settings.app:
        rollback.restart(name=f"{name}: restart", target=wiring.target(name, loaded))
