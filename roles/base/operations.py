"""The one operation of this role: what it does depends on what the host is."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from pyinfra import host
from pyinfra.api import StringCommand, operation

from groundcrew.facts.base import Base
from groundcrew.services import Service
from roles.base import hardening_files as hardening
from roles.base.builders import UNITS, base_plan
from roles.base.files import JOURNALD, TIMESYNCD
from roles.base.hardening_plan import AUDIT_FILES
from roles.base.settings import BaseSettings


@operation()
def system(
    settings: BaseSettings, services: Sequence[Service] = ()
) -> Generator[StringCommand, None, None]:
    """Brings kernel parameters, swap, names, certificates and units in line: one fact, one command.

    What a container does not let anybody set is reported as not applicable.

    + settings: the role's settings
    + services: units of other roles
    """
    keys = [key for key, value in settings.sysctl.items() if value is not None]
    units = [*UNITS, *hardening.units(settings), *(service.unit for service in services)]
    files = [path for service in services for path in service.files]
    state = host.get_fact(
        Base,
        sysctl=keys,
        units=units,
        files=[JOURNALD, TIMESYNCD, *AUDIT_FILES, *files],
        login_defs=list(settings.login_defs),
        dotfiles=settings.private_dotfiles,
        aide=bool(hardening.units(settings)),
        private=[] if settings.cron_users is None else ["/etc/crontab"],
    )
    if state is None:
        return
    found = base_plan(settings, state, services)
    if host.state.is_executing:
        for reason in found.not_applicable:
            host.log(f"not applicable: {reason}")
    if found.commands:
        yield StringCommand("\n".join(["set -e", *found.commands]))
    else:
        host.noop("kernel parameters, swap, names, certificates and units are as they should be")
