"""Which of the operator's secrets a run reads: a rollback must not fail for one that only a release
renders."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import Enum
from pathlib import Path

from groundcrew.settings.selection import parameters


class Need(Enum):
    """What is read on the operator's machine, and where it ends up."""

    VARIABLES = "secrets"
    """`app.*.secrets`: in releases."""

    PASSWORDS = "passwords"
    """`app.*.nginx.locations.*.basic_auth`: in nginx's configuration."""

    KEYS = "certificates"
    """`app.*.tls.certificate.key`: beside it."""


ALL = frozenset(Need)


class NotReadError(LookupError):
    """A playbook wants a secret that `config.py` says it does not."""

    def __init__(self, need: Need) -> None:
        super().__init__(f"this run reads no {need.value}: add them to `reads` in config.py")


def of_run(reads: Mapping[Path, Collection[Need]]) -> frozenset[Need]:
    """What this run needs. A file that is not in `reads` needs all; what is run without a file
    (`exec`, `fact`, an operation's name) needs nothing."""
    operations = [str(name) for name in parameters().get("operations") or ()]
    if not operations:
        return ALL
    if not all(name.endswith(".py") for name in operations):
        return frozenset()
    found: set[Need] = set()
    for name in operations:
        found.update(reads.get(Path(name).resolve(), ALL))
    return frozenset(found)
