"""What an application has left on a host that no longer runs it."""

from __future__ import annotations

import json

from pyinfra.api import FactBase, StringCommand

from groundcrew import remote


class Remains(FactBase[list[list[str]]]):
    """[kind, name] of everything that would be removed, see `groundcrew/remote/remove_app.py`."""

    @staticmethod
    def default() -> list[list[str]]:
        """Nothing left."""
        return []

    def command(self, app: str, purge: bool) -> StringCommand:
        """The command that runs the program on the host."""
        request = {"app": app, "purge": purge, "remove": False}
        return remote.command("remove_app", json.dumps(request))

    def process(self, output: list[str]) -> list[list[str]]:
        """Parses the program's line of JSON."""
        remains: list[list[str]] = json.loads(output[-1])
        return remains
