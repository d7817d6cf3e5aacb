"""The ends of an application's logs, in one round trip."""

from __future__ import annotations

import json

from pyinfra.api import FactBase, StringCommand

from groundcrew import remote


class Logs(FactBase[dict[str, list[str]]]):
    """The last `lines` of each log of the application `app`, no older than `since` seconds; by
    `journal`, `access` and `error`."""

    @staticmethod
    def default() -> dict[str, list[str]]:
        """Nothing was logged."""
        return {}

    def command(self, app: str, lines: int, since: int | None) -> StringCommand:
        """One program run."""
        request = {"app": app, "lines": lines, "since": since}
        return remote.command("app_logs", json.dumps(request))

    def process(self, output: list[str]) -> dict[str, list[str]]:
        """The program prints one line of JSON."""
        logs: dict[str, list[str]] = json.loads(output[-1])
        return logs
