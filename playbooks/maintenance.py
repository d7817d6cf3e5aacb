"""Switches the maintenance mode of an application on or off.

pyinfra inventory/prod.py playbooks/maintenance.py -y --data app=NAME --data maintenance=on|off
"""

from pyinfra import host, inventory

from groundcrew.apps.paths import AppPaths
from groundcrew.operations import maintenance
from groundcrew.settings import settings_for
from roles import nginx, wiring

settings = settings_for(host).settings
wanted = wiring.asked_maintenance(inventory)

for name in host.loop(wiring.one_app(inventory)):
    if name in settings.app:
        maintenance.switch(
            name=f"{name}: maintenance {wanted}",
            paths=AppPaths(name),
            wanted=wanted,
            page=wiring.maintenance_pages(settings)[name],
            site=nginx.maintenance_files(
                settings.nginx,
                name,
                settings.app[name],
                nginx.prefixes_below(settings.app, name),
            ),
            activate=nginx.activate_command(),
        )
