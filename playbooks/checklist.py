"""Goes through the checklists of hosts: before and after a deploy, production, security,
operations, performance. Changes nothing, and fails if a line fails.

pyinfra inventory/prod.py playbooks/checklist.py -y [--data checklist.json=PATH]

Each line is decided by what preflight, verify, status, the settings, the last audit and the last
load tests say. A line that groundcrew cannot judge says `by hand`.
"""

from pyinfra import host

from groundcrew.roles import checklist, combined
from groundcrew.settings import settings_for

checklist.show(name="checklist", loaded=combined.sized(settings_for(host)))
