"""Checks whether hosts meet the requirements of their settings; changes nothing.

pyinfra inventory/prod.py playbooks/preflight.py -y [--data preflight.min_memory=8G]

`--data preflight.json=PATH` also writes it as JSON.
"""

from pyinfra import host

from groundcrew.roles import combined, preflight, promises
from groundcrew.settings import settings_for

settings = combined.sized(settings_for(host)).settings

preflight.show(settings=settings.preflight, wanted=promises.wanted(settings))
