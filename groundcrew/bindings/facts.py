"""What differs in the servers of a host, and digests of the logins that it stores."""

from __future__ import annotations

import json
from collections.abc import Sequence

from pyinfra.api import FactBase, StringCommand

from groundcrew import remote
from groundcrew.bindings import Link
from groundcrew.contract import ServerState
from groundcrew.facts.logins import ServerReport, StoredLogin


def command(
    states: Sequence[ServerState],
    logins: Sequence[StoredLogin],
    *,
    converge: bool,
    rotate: Sequence[Link] = (),
    finish: Sequence[Link] = (),
    purge: str | None = None,
) -> StringCommand:
    """Runs the program that compares the servers' contents and, with `converge`, makes the changes.
    With `rotate` and `finish`, rotations begin and end before that. `purge` is an application whose
    data is listed or removed instead."""
    request = {
        "converge": converge,
        "states": [
            {"title": item.title, "module": item.module, "request": dict(item.request)}
            for item in states
        ],
        "logins": list(logins),
        "rotate": [{"store": item.store, "account": item.account} for item in rotate],
        "finish": [item.store for item in finish],
        "purge": purge,
    }
    modules = tuple(dict.fromkeys(item.module for item in states))
    return remote.command("server_state", json.dumps(request), modules=modules)


class ServerStates(FactBase[ServerReport]):
    """The differences, by title, and the digests, by store."""

    @staticmethod
    def default() -> ServerReport:
        """Nothing."""
        return {"differences": {}, "digests": {}}

    def command(
        self,
        states: Sequence[ServerState],
        logins: Sequence[StoredLogin],
        purge: str | None = None,
    ) -> StringCommand:
        """The command that runs the program on the host. With `purge`, the differences are the data
        of that application."""
        return command(states, logins, converge=False, purge=purge)

    def process(self, output: list[str]) -> ServerReport:
        """Parses the program's output: one line of JSON."""
        report: ServerReport = json.loads(output[-1])
        return report
