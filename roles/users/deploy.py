"""Operations of the users role."""

from __future__ import annotations

from pathlib import Path

from pyinfra import host
from pyinfra.api import OperationError, deploy
from pyinfra.connectors.ssh import SSHConnector

from groundcrew import record, transport
from groundcrew.operations import accounts
from groundcrew.roles.users import builders
from groundcrew.roles.users.keys import operator_keys
from groundcrew.roles.users.operations import access
from groundcrew.roles.users.settings import ANOTHER_KEY, UsersSettings
from groundcrew.ssh_keys import weakness


@deploy("users")
def apply(settings: UsersSettings, rsa_size: int) -> None:
    """Creates the administrators' accounts, with their keys and the right to become root.

    `rsa_size` is the length in bits that sshd will require of RSA keys. Raises OperationError if
    the run would lock itself out.
    """
    connected = transport.connected_user(host)
    if connected in builders.removed(settings):
        raise OperationError(
            f"{host.name}: users.admins.{connected} is null, but this run is connected as "
            f"{connected}: it would lock itself out. Connect as another administrator (ssh_user)."
        )
    keys = find_operator_keys(builders.without_keys(settings), rsa_size)
    accounts.manage(name="administrators' accounts", users=builders.users(settings))
    access(
        name="authorized keys, sudo and PAM",
        entries=builders.entries(settings, keys),
        logins=settings.logins,
    )


def find_operator_keys(names: list[str], rsa_size: int) -> tuple[str, ...]:
    """The operator's own keys, for the administrators in `names`.

    Raises OperationError if there are none, or if sshd would accept none of them.
    """
    if not names:
        return ()
    connector = host.connector
    ssh = connector.make_paramiko_kwargs() if isinstance(connector, SSHConnector) else {}
    keys = operator_keys(ssh.get("pkey"), Path.home(), transport.session_key(host))
    if keys is None:
        raise OperationError(
            f"{host.name}: users.admins.{names[0]}.keys is empty, and there is no key of the "
            "operator's to use instead: no ssh_key, nothing in the SSH agent, no ~/.ssh/id_*.pub. "
            "Nobody could log in."
        )
    weak = {key: weakness(key, rsa_size) for key in keys.keys}
    if all(weak.values()):
        raise OperationError(
            f"{host.name}: your key {next(iter(weak.values()))} ({keys.origin}): sshd would not "
            f"let you in any more; {ANOTHER_KEY}. Nothing was changed."
        )
    record.detail(host, f"{', '.join(names)}: authorized keys from {keys.origin}")
    return keys.keys
