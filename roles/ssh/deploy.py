"""Operations of the SSH server."""

from __future__ import annotations

from collections.abc import Sequence

from pyinfra.api import deploy

from roles.ssh.operations import configure
from roles.ssh.settings import SshSettings


@deploy("SSH server")
def apply(settings: SshSettings, admins: Sequence[str]) -> None:
    """Hardens sshd, and keeps the change only if the operator can still log in."""
    configure(name="Harden sshd", settings=settings, admins=admins)
