"""What the users role brings to a host besides its operations."""

from __future__ import annotations

from functools import partial

from groundcrew.contract import Brings, HostView, Reads
from groundcrew.manifest.paths import AppPaths
from groundcrew.roles.users.checks import privileges
from groundcrew.roles.users.settings import UsersSettings


def packages(settings: UsersSettings) -> list[str]:
    """Debian packages of the role. Without its dictionary, pam_pwquality rejects every password."""
    quality = ["libpam-pwquality", "cracklib-runtime"] if settings.logins.password_quality else []
    return ["sudo", *quality]


def brings(settings: UsersSettings, host: HostView) -> Brings:
    """The check that administrators may become root, and applications' users may not."""
    admins = sorted(host.admins)
    others = [AppPaths(name).user for name in sorted(host.app)]
    return Brings(
        packages=packages(settings),
        reads=[Reads("groundcrew.roles.users.on_host", ("sudo",), {"users": [*admins, *others]})],
        checks={"sudo policy": partial(privileges, admins, others)},
    )
