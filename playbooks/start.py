"""Starts an application that `playbooks/stop.py` has stopped.

pyinfra inventory/prod.py playbooks/start.py -y --data app=NAME [--limit HOST]

Visitors are let in when it is healthy. Maintenance that was on before stays on. Where the
application is `idle`, it stays stopped.
"""

from pyinfra import host, inventory

from groundcrew.releases import stopping
from groundcrew.roles import arguments, releases
from groundcrew.settings import settings_for

loaded = settings_for(host)

for name in host.loop(arguments.one_app(inventory)):
    if name in loaded.settings.idle_apps:
        # What only one host runs would run twice.
        host.log(f"{name} is idle here, and stays stopped: take it out of `idle` to start it")
    elif name in loaded.settings.app:
        stopping.start(name=f"{name}: start", target=releases.target(name, loaded))
