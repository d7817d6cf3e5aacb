"""Prints the applications of an inventory that load tests can be sent to, as JSON. pyinfra runs
this file; it connects to no host."""

import json

from pyinfra import inventory, state

from groundcrew.loadtest.plan import target
from groundcrew.settings import settings_for
from groundcrew.transport import address

hosts = [host for host in inventory if state.is_host_in_limit(host)]
targets = []
for host in hosts:
    settings = settings_for(host).settings
    place = settings.place
    # Those behind balancers are reached through these alone.
    for name, app in {**settings.app, **place.behind}.items():
        if name in settings.idle_apps:
            continue
        through = place.entrance.address if name in place.behind else address(host)
        targets.append(target(name, app, host.name, through))
print(json.dumps({"targets": targets, "hosts": {host.name: address(host) for host in hosts}}))
