"""Gives an application another name: its data becomes that of the new name.

pyinfra inventory/prod.py playbooks/rename.py -y --data app=NEW --data was=OLD

`apps` lists the new name in place of the old one. The old application stops. `deploy.py` releases
the new one, and `playbooks/remove.py` then removes what is left of the old one.
"""

from pyinfra import host, inventory

from groundcrew.releases import renaming
from groundcrew.roles import app, arguments, combined
from groundcrew.settings import settings_for

settings = settings_for(host).settings
was, name = arguments.renamed_app(inventory)

if name in settings.app:
    app.prepare(apps={name: settings.app[name]}, pages=combined.maintenance_pages(settings))
    renaming.rename(name=f"{was}: becomes {name}", was=was, app=name)
