"""Fetches what `bin/audit` checks from hosts to this machine; changes no host.

pyinfra inventory/prod.py playbooks/audit.py -y --data sbom=DIRECTORY [--data app=NAME]

Writes DIRECTORY/APP.HOST.cdx.json for each application, as playbooks/sbom.py does, and, unless an
application is named, DIRECTORY/HOST.debian.json: Debian's packages and their pending updates.
"""

from pyinfra import host, inventory

from groundcrew.operations import sbom, updates
from groundcrew.roles import arguments
from groundcrew.settings import settings_for

settings = settings_for(host).settings
directory = arguments.asked_sbom(inventory)

# First, because the next operation fails if a release has no SBOM.
if settings.run.app is None:
    updates.fetch(name="Debian's packages", directory=directory)
sbom.fetch(
    name="bills of materials",
    apps=[name for name in arguments.asked_apps(inventory) if name in settings.app],
    release=settings.run.release,
    directory=directory,
)
