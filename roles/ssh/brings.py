"""What the SSH server brings to a host besides its operations."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from groundcrew.contract import Brings, HostView, Renewal
from groundcrew.facts.sshd import SshdState
from groundcrew.roles.ssh.builders import directives
from groundcrew.roles.ssh.builders import expected as printed
from groundcrew.roles.ssh.checks import policy
from groundcrew.roles.ssh.settings import SshSettings


def brings(settings: SshSettings, host: HostView) -> Brings:
    """The check that sshd runs with the configured settings."""
    wanted = expected(settings.with_banner(host.login_banner), host.admins)
    return Brings(
        checks={"ssh policy": partial(policy, wanted)},
        # Logins are processes of their own, which go on.
        renewals=[Renewal("ssh.service")],
    )


def expected(settings: SshSettings, admins: Sequence[str]) -> dict[str, str]:
    """sshd's settings that do not depend on the state of the host, as `sshd -T` prints them."""
    declared = printed(directives(settings, SshdState(), admins))
    return {keyword: " ".join(values) for keyword, values in declared.items()}
