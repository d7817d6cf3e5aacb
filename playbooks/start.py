"""Starts an application that `playbooks/stop.py` has stopped.

pyinfra inventory/prod.py playbooks/start.py -y --data app=NAME [--limit HOST]

Visitors are let in when it is healthy. Maintenance that was on before stays on.
"""

from pyinfra import host, inventory

from groundcrew.releases import stopping
from groundcrew.roles import arguments, releases
from groundcrew.settings import settings_for

loaded = settings_for(host)

for name in host.loop(arguments.one_app(inventory)):
    if name in loaded.settings.app:
        stopping.start(name=f"{name}: start", target=releases.target(name, loaded))
