"""Prints what is set for every host, and where: `pyinfra inventory/prod.py playbooks/settings.py`.

`--data settings.key=app.shop` prints one block or value, `--data settings.json=true` JSON, and
`--limit` some hosts. Secrets are masked. No host is connected to (see config.py).
"""

from pyinfra import inventory, state

from groundcrew.settings import show

show.print_settings(host for host in inventory if state.is_host_in_limit(host))
