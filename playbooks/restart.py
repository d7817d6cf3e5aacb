"""Restarts applications: replaces their workers without refusing requests.

pyinfra inventory/prod.py playbooks/restart.py -y [--data app=NAME]
"""

from pyinfra import host, inventory

from groundcrew.releases import rollback, stopping
from groundcrew.roles import arguments, releases
from groundcrew.settings import settings_for

loaded = settings_for(host)

if loaded.settings.run.app:
    asked = set(arguments.asked_apps(inventory)) - loaded.settings.idle_apps
    releases.require_started(sorted(asked), loaded)
off = stopping.stopped(loaded.settings.apps)

for name in host.loop(arguments.asked_apps(inventory)):
    if name in loaded.settings.app and name not in off:
        rollback.restart(name=f"{name}: restart", target=releases.target(name, loaded))
