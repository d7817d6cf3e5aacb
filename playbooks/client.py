"""Opens the client of a database or cache for a need of an application: psql, mariadb, mongosh,
redis-cli.

pyinfra inventory/prod.py playbooks/client.py --data app=NAME [--data need=NAME]

It runs as the administrator on the host that provides the need, over SSH, and no password is shown.
Commands can be piped into it. pyinfra itself connects to no host.
"""

from pyinfra import inventory

from groundcrew.bindings.client import open_client
from groundcrew.roles import arguments
from groundcrew.settings import settings_for

binding = arguments.one_binding(inventory)
provider = inventory.get_host(binding.provider)
role = settings_for(provider).settings.provider(binding.role)

open_client(provider.name, provider.data.dict(), role.client(binding))
