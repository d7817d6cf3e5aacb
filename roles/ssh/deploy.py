"""Operations of the SSH server."""

from __future__ import annotations

from collections.abc import Sequence

from pyinfra.api import deploy

from groundcrew.roles.ssh.operations import configure
from groundcrew.roles.ssh.settings import SshSettings


@deploy("ssh")
def apply(settings: SshSettings, admins: Sequence[str]) -> None:
    """Hardens sshd, and keeps the change only if the operator can still log in."""
    configure(name="harden sshd", settings=settings, admins=admins)
