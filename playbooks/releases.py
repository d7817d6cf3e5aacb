"""Lists the releases that hosts keep; changes nothing.

pyinfra inventory/prod.py playbooks/releases.py -y [--data app=NAME]

`--data releases.json=PATH` also writes them as JSON.
"""

from pyinfra import host, inventory

from groundcrew.roles import arguments
from groundcrew.settings import settings_for
from groundcrew.status import operations as status

settings = settings_for(host).settings

status.show_releases(
    name="releases",
    apps=[name for name in arguments.asked_apps(inventory) if name in settings.app],
    json_path=settings.releases.json_path,
)
