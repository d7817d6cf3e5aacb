"""Brings what releases are made of (CycloneDX) to this machine; changes no host.

pyinfra inventory/prod.py playbooks/sbom.py -y --data sbom=DIRECTORY [--data app=NAME]
[--data release=ID]

Writes DIRECTORY/APP.HOST.cdx.json for each application and host.
"""

from pyinfra import host, inventory

from groundcrew.operations import sbom
from groundcrew.settings import settings_for
from roles import wiring

settings = settings_for(host).settings

sbom.fetch(
    name="bills of materials",
    apps=[name for name in wiring.asked_apps(inventory) if name in settings.app],
    release=settings.run.release,
    directory=wiring.asked_sbom(inventory),
)
