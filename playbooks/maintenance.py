"""Switches the maintenance mode of an application on or off.

pyinfra inventory/prod.py playbooks/maintenance.py -y --data app=NAME --data maintenance=on|off
"""

from pyinfra import host, inventory

from groundcrew.manifest.paths import AppPaths
from groundcrew.releases import maintenance
from groundcrew.roles import arguments, combined, nginx
from groundcrew.settings import settings_for

settings = settings_for(host).settings
wanted = arguments.asked_maintenance(inventory)

for name in host.loop(arguments.one_app(inventory)):
    if name in settings.app:
        maintenance.switch(
            name=f"{name}: maintenance {wanted}",
            paths=AppPaths(name),
            wanted=wanted,
            page=combined.maintenance_pages(settings)[name],
            site=combined.maintenance_site(settings, name),
            activate=nginx.activate_command(),
        )
