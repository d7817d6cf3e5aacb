"""Restarts what still runs libraries that an update has replaced, without dropping a request.

pyinfra inventory/prod.py playbooks/renew.py -y [--limit HOST]
"""

from groundcrew.roles.renewal import operations

operations.run(name="renewal")
