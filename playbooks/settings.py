"""Prints the settings of every host and where they come from.

pyinfra inventory/prod.py playbooks/settings.py

`--data settings.key=app.shop` prints one block or value, `--data settings.changed=true` only what
differs from the defaults, `--data settings.json=true` JSON, and `--limit` restricts the hosts.
`--data settings.explain=app.shop.server.workers` explains one setting. Secrets are masked. It
connects to no host (see config.py).
"""

from pyinfra import inventory, state

from groundcrew.settings import show

show.print_settings(host for host in inventory if state.is_host_in_limit(host))
