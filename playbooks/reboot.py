"""Restarts hosts, one after the other. Those behind balancers get no requests meanwhile.

pyinfra inventory/prod.py playbooks/reboot.py -y [--limit HOST] [--data batch=2] [--data down=1]
    [--data back=600]

The first host goes alone. The run stops at a host that does not come back healthy, and before a
host if another one is down. If it is interrupted, run it again.
"""

from pyinfra import host, inventory, state

from groundcrew.roles import arguments, haproxy

plan = arguments.rolling("reboot", inventory, state)

if host.name == plan.batches[0][0]:
    haproxy.roll(name="restart one host after the other", plan=plan)
