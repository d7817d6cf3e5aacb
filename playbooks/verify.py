"""Checks hosts and changes nothing: `pyinfra INVENTORY playbooks/verify.py -y`.

`--data verify.json=PATH` also writes the results as JSON. Any other URL is checked from this
machine alone with `pyinfra @local playbooks/verify.py -y --data verify.url=https://example.org/`.
"""

from pyinfra import host

from groundcrew.settings import settings_for
from roles import plan, verify
from roles.nginx.header_sets import site_headers

loaded = settings_for(host)
settings = loaded.settings

if settings.verify.url:
    verify.apply_url(
        settings=settings.verify,
        url=settings.verify.url,
        security_headers=site_headers(settings.nginx).values,
        gzip=plan.gzip(settings.nginx),
    )
else:
    verify.apply(settings=settings.verify, **plan.verify_arguments(loaded))
