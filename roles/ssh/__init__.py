"""SSH server, hardened by a drop-in that is kept only if `sshd -T` and a second login confirm
it."""

from groundcrew.roles.ssh.deploy import apply
from groundcrew.roles.ssh.settings import SshSettings

__all__ = ["SshSettings", "apply"]
