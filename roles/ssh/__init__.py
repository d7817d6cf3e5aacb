"""SSH server: hardened by a drop-in that `sshd -T` and a second login have to confirm."""

from roles.ssh.deploy import apply
from roles.ssh.settings import SshSettings

__all__ = ["SshSettings", "apply"]
