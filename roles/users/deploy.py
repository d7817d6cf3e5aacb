"""Operations of the administrators' accounts."""

from __future__ import annotations

from pathlib import Path

from pyinfra import host
from pyinfra.api import OperationError, deploy
from pyinfra.connectors.ssh import SSHConnector

from groundcrew import transport
from groundcrew.operations import accounts
from roles.users import builders
from roles.users.keys import operator_keys
from roles.users.operations import access
from roles.users.settings import UsersSettings


@deploy("Users")
def apply(settings: UsersSettings) -> None:
    """Makes the administrators' accounts, with their keys and the right to become root."""
    connected = transport.connected_user(host)
    if connected in builders.removed(settings):
        raise OperationError(
            f"{host.name}: users.admins.{connected} is null, but this run is connected as "
            f"{connected}: it would lock itself out. Connect as another administrator (ssh_user)."
        )
    keys = find_operator_keys(builders.without_keys(settings))
    accounts.manage(name="Administrators' accounts", users=builders.users(settings))
    access(
        name="Authorized keys, sudo and PAM",
        entries=builders.entries(settings, keys),
        logins=settings.logins,
    )


def find_operator_keys(names: list[str]) -> tuple[str, ...]:
    """The operator's own keys, for the administrators in `names`. Raises OperationError."""
    if not names:
        return ()
    connector = host.connector
    ssh = connector.make_paramiko_kwargs() if isinstance(connector, SSHConnector) else {}
    found = operator_keys(ssh.get("pkey"), Path.home())
    if found is None:
        raise OperationError(
            f"{host.name}: users.admins.{names[0]}.keys is empty, and there is no key of the "
            "operator's to use instead: no ssh_key, nothing in the SSH agent, no ~/.ssh/id_*.pub. "
            "Nobody could log in."
        )
    host.log(f"{', '.join(names)}: authorized keys from {found.origin}")
    return found.keys
