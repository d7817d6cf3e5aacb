"""How hosts and their applications are; changes nothing.

pyinfra inventory/prod.py playbooks/status.py -y [--data app=NAME] [--data lines=20]

`--data status.json=PATH` also writes it as JSON.
"""

from pyinfra import host, inventory

from groundcrew.settings import settings_for
from groundcrew.status import operations as status
from roles import wiring

settings = settings_for(host).settings

status.show(
    name="status",
    apps=[name for name in wiring.asked_apps(inventory) if name in settings.app],
    lines=settings.run.lines,
    json_path=settings.status.json_path,
)
