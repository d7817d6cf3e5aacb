"""The base role's operation that depends on the state of the host."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from pyinfra import host
from pyinfra.api import StringCommand, operation

from groundcrew import record
from groundcrew.facts.base import Base
from groundcrew.read_first import reading_first
from groundcrew.roles.base import hardening_files as hardening
from groundcrew.roles.base.builders import UNITS, base_plan
from groundcrew.roles.base.files import JOURNALD, RESOLVED, TIMESYNCD
from groundcrew.roles.base.hardening_plan import AUDIT_FILES
from groundcrew.roles.base.settings import BaseSettings
from groundcrew.services import Service


@operation()
@reading_first
def system(
    settings: BaseSettings, services: Sequence[Service] = ()
) -> Generator[StringCommand, None, None]:
    """Brings kernel parameters, swap, names, certificates and units in line: one fact, one command.

    Settings that cannot be changed in a container are reported as not applicable.

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
        files=[JOURNALD, TIMESYNCD, RESOLVED, *AUDIT_FILES, *files],
        login_defs=list(settings.login_defs),
        dotfiles=settings.private_dotfiles,
        aide=bool(hardening.units(settings)),
        private=[] if settings.cron_users is None else ["/etc/crontab"],
    )
    if state is None:
        return
    host_plan = base_plan(settings, state, services)
    if host.state.is_executing:
        for reason in host_plan.not_applicable:
            record.detail(host, f"not applicable: {reason}")
    if host_plan.commands:
        yield StringCommand("\n".join(["set -e", *host_plan.commands]))
    else:
        host.noop("kernel parameters, swap, names, certificates and units are as they should be")
