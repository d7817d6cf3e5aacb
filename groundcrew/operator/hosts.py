"""Prints the hosts of an inventory, their applications and how to connect to them, as JSON. pyinfra
runs this file; it connects to no host."""

import json

from pyinfra import inventory, state

from groundcrew.settings import settings_for
from groundcrew.ssh_command import CONNECTION

print(
    json.dumps(
        {
            host.name: {
                "apps": sorted(settings_for(host).settings.app),
                "idle": sorted(settings_for(host).settings.idle_apps),
                "connection": {
                    key: str(value) for key in CONNECTION if (value := host.data.get(key))
                },
            }
            for host in inventory
            if state.is_host_in_limit(host)
        }
    )
)
