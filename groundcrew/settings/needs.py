"""Determines which of the operator's secrets a run reads. A rollback must not fail because of a
secret that only a release needs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import Enum
from pathlib import Path

from groundcrew.settings.selection import parameters


class Need(Enum):
    """A kind of secret on the operator's machine, and where it is used."""

    VARIABLES = "secrets"
    """`app.*.secrets` and `app.*.build_secrets`: in releases and their builds."""

    PASSWORDS = "passwords"
    """`app.*.nginx.locations.*.basic_auth`: in nginx's configuration."""

    KEYS = "certificates"
    """`app.*.tls.certificate.key`: beside nginx's configuration."""

    ROLES = "secrets of roles"
    """Secrets outside of `app`, such as `backup.key`: in files that only root can read."""


ALL = frozenset(Need)


class NotReadError(LookupError):
    """A playbook uses a secret that `config.py` does not list for it."""

    def __init__(self, need: Need) -> None:
        super().__init__(f"this run reads no {need.value}: add them to `reads` in config.py")


def of_run(reads: Mapping[Path, Collection[Need]]) -> frozenset[Need]:
    """The secrets that this run needs. A file that is not in `reads` needs all; a run without a
    file (`exec`, `fact`, an operation's name) needs none."""
    operations = [str(name) for name in parameters().get("operations") or ()]
    if not operations:
        return ALL
    if not all(name.endswith(".py") for name in operations):
        return frozenset()
    needed: set[Need] = set()
    for name in operations:
        needed.update(reads.get(Path(name).resolve(), ALL))
    return frozenset(needed)
