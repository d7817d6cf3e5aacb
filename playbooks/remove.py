"""Removes an application from hosts whose `apps` no longer list it.

pyinfra inventory/prod.py playbooks/remove.py -y --data app=NAME [--data purge=NAME] [--limit HOST]

`--dry` shows what would be removed. The application's data (`/srv/NAME/shared`, generated secrets,
logs, its user; databases that hosts of the run provide) stays unless `purge=NAME`.
"""

from pyinfra import host, inventory, state

from groundcrew.bindings import operations as servers
from groundcrew.releases import removal
from groundcrew.roles import arguments, combined, nginx, tls
from groundcrew.settings import settings_for

loaded = settings_for(host)
settings = loaded.settings
name = arguments.removed_app(item for item in inventory if state.is_host_in_limit(item))

if loaded.settings.runs_apps:
    tls.begin(sites=combined.tls_sites(settings))
    nginx.apply(
        settings=combined.web(settings),
        apps=settings.app,
        passwords=loaded.passwords,
        profile=settings.tls.profile,
        certificates=combined.certificates(loaded),
        sites=combined.served(loaded),
    )
removal.remove(name=f"{name}: remove", app=name, purge=settings.run.purge is not None)
if settings.run.purge and settings.brought.states:
    servers.purge(name=f"{name}: databases", states=settings.brought.states, app=name)
