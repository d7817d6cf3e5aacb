"""The last lines of an application's logs, in one round trip."""

from __future__ import annotations

import json

from pyinfra.api import FactBase, StringCommand

from groundcrew import remote


class Logs(FactBase[dict[str, list[str]]]):
    """The last `lines` of each log of the application `app`, no older than `since` seconds, by the
    keys `journal`, `access` and `error`."""

    @staticmethod
    def default() -> dict[str, list[str]]:
        """No lines."""
        return {}

    def command(self, app: str, lines: int, since: int | None) -> StringCommand:
        """The command that runs the program on the host."""
        request = {"app": app, "lines": lines, "since": since}
        return remote.command("app_logs", json.dumps(request))

    def process(self, output: list[str]) -> dict[str, list[str]]:
        """Parses the program's line of JSON."""
        logs: dict[str, list[str]] = json.loads(output[-1])
        return logs
