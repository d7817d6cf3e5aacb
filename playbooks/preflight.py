"""What hosts have against what their settings need; changes nothing.

pyinfra inventory/prod.py playbooks/preflight.py -y [--data preflight.min_memory=8G]

`--data preflight.json=PATH` also writes it as JSON.
"""

from pyinfra import host

from groundcrew.settings import settings_for
from roles import plan, preflight

settings = settings_for(host).settings

preflight.show(settings=settings.preflight, wanted=plan.wanted(settings))
