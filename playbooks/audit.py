"""Brings what `bin/audit` looks at from hosts to this machine, which asks the databases; changes no
host.

pyinfra inventory/prod.py playbooks/audit.py -y --data sbom=DIRECTORY [--data app=NAME]

Writes DIRECTORY/APP.HOST.cdx.json for each application, as playbooks/sbom.py does, and, unless an
application is named, DIRECTORY/HOST.debian.json: Debian's packages and their pending updates.
"""

from pyinfra import host, inventory

from groundcrew.operations import sbom, updates
from groundcrew.settings import settings_for
from roles import wiring

settings = settings_for(host).settings
directory = wiring.asked_sbom(inventory)

# First: the other fails where a release has no bill of materials.
if settings.run.app is None:
    updates.fetch(name="Debian's packages", directory=directory)
sbom.fetch(
    name="bills of materials",
    apps=[name for name in wiring.asked_apps(inventory) if name in settings.app],
    release=settings.run.release,
    directory=directory,
)
