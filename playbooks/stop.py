"""Stops an application, so that it stays stopped over reboots and deploys.

pyinfra inventory/prod.py playbooks/stop.py -y --data app=NAME [--limit HOST]

Its server, workers and timers stop, and every request gets the maintenance page with status 503.
`playbooks/start.py` starts it again.
"""

from pyinfra import host, inventory

from groundcrew.releases import stopping
from groundcrew.roles import arguments, combined, nginx, releases
from groundcrew.settings import settings_for

loaded = settings_for(host)
settings = loaded.settings

for name in host.loop(arguments.one_app(inventory)):
    if name in settings.app:
        stopping.stop(
            name=f"{name}: stop",
            target=releases.target(name, loaded),
            page=combined.maintenance_pages(settings)[name],
            site=combined.maintenance_site(settings, name),
            activate=nginx.activate_command(),
        )
