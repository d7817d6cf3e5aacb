"""Shows the state of hosts and their applications; changes nothing.

pyinfra inventory/prod.py playbooks/status.py -y [--data app=NAME] [--data lines=20]

`--data status.json=PATH` also writes it as JSON.
"""

from pyinfra import host, inventory

from groundcrew.roles import arguments
from groundcrew.settings import settings_for
from groundcrew.status import operations as status

settings = settings_for(host).settings

status.show(
    name="status",
    apps=[name for name in arguments.asked_apps(inventory) if name in settings.app],
    lines=settings.run.lines,
    json_path=settings.status.json_path,
    roles=settings.brought.status,
)
