"""Fetches the SBOMs of releases (CycloneDX) to this machine; changes no host.

pyinfra inventory/prod.py playbooks/sbom.py -y --data sbom=DIRECTORY [--data app=NAME]
[--data release=ID]

Writes DIRECTORY/APP.HOST.cdx.json for each application and host.
"""

from pyinfra import host, inventory

from groundcrew.operations import sbom
from groundcrew.roles import arguments
from groundcrew.settings import settings_for

settings = settings_for(host).settings

sbom.fetch(
    name="bills of materials",
    apps=[name for name in arguments.asked_apps(inventory) if name in settings.app],
    release=settings.run.release,
    directory=arguments.asked_sbom(inventory),
)
