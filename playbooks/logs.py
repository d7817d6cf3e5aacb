"""Shows the last lines of an application's logs on every host; changes nothing.

pyinfra inventory/prod.py playbooks/logs.py -y --data app=NAME [--data lines=50] [--data since=10m]
"""

from pyinfra import host, inventory

from groundcrew.operations import logs
from groundcrew.roles import arguments
from groundcrew.settings import settings_for

settings = settings_for(host).settings

for name in host.loop(arguments.one_app(inventory)):
    if name in settings.app:
        logs.show(
            name=f"{name}: logs", app=name, lines=settings.run.lines, since=settings.run.since
        )
