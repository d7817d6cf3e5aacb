"""What an application has left on a host that is not to run it any more."""

from __future__ import annotations

import json

from pyinfra.api import FactBase, StringCommand

from groundcrew import remote


class Remains(FactBase[list[list[str]]]):
    """[kind, name] of everything that would be removed, see `groundcrew/remote/remove_app.py`."""

    @staticmethod
    def default() -> list[list[str]]:
        """Nothing."""
        return []

    def command(self, app: str, purge: bool) -> StringCommand:
        """One program run."""
        request = {"app": app, "purge": purge, "remove": False}
        return remote.command("remove_app", json.dumps(request))

    def process(self, output: list[str]) -> list[list[str]]:
        """The program prints one line of JSON."""
        found: list[list[str]] = json.loads(output[-1])
        return found
