"""Checks hosts and changes nothing: `pyinfra INVENTORY playbooks/verify.py -y`.

`--data only=ROLE,...` and `--data skip=ROLE,...`: the checks of other roles only warn.
`--data verify.json=PATH` also writes the results as JSON. Any other URL is checked from this
machine alone with `pyinfra @local playbooks/verify.py -y --data verify.url=https://example.org/`.
"""

from pyinfra import host

from groundcrew.roles import combined, promises, verify
from groundcrew.roles.nginx.header_sets import site_headers
from groundcrew.settings import settings_for

loaded = combined.sized(settings_for(host))
settings = loaded.settings

if settings.verify.url:
    verify.apply_url(
        settings=settings.verify,
        url=settings.verify.url,
        security_headers=site_headers(settings.nginx).values,
        gzip=promises.gzip(settings.nginx),
    )
else:
    verify.apply(settings=settings.verify, **promises.verify_arguments(loaded, settings.parts))
