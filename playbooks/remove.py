"""Takes an application off hosts whose `apps` do not name it any more.

pyinfra inventory/prod.py playbooks/remove.py -y --data app=NAME [--data purge=yes] [--limit HOST]

`--dry` says what would go. Its data stays (`/srv/NAME/shared`, generated secrets, logs, its user)
unless `purge=yes`.
"""

from pyinfra import host, inventory, state

from groundcrew.releases import removal
from groundcrew.settings import settings_for
from roles import nginx, tls, wiring

loaded = settings_for(host)
settings = loaded.settings
name = wiring.removed_app(item for item in inventory if state.is_host_in_limit(item))

if "web" in host.groups:
    tls.begin(sites=wiring.tls_sites(settings))
    nginx.apply(
        settings=settings.nginx,
        apps=settings.app,
        passwords=loaded.passwords,
        profile=settings.tls.profile,
        certificates=wiring.certificates(loaded),
    )
removal.remove(name=f"{name}: remove", app=name, purge=settings.run.purge)
