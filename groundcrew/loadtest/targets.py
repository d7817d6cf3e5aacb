"""Prints the applications of an inventory that load tests can be sent to, as JSON. pyinfra runs
this file; it connects to no host."""

import json

from pyinfra import inventory, state

from groundcrew.loadtest.plan import target
from groundcrew.settings import settings_for
from groundcrew.transport import address

hosts = [host for host in inventory if state.is_host_in_limit(host)]
targets = [
    target(name, app, host.name, address(host))
    for host in hosts
    for name, app in settings_for(host).settings.app.items()
]
print(json.dumps({"targets": targets, "hosts": {host.name: address(host) for host in hosts}}))
