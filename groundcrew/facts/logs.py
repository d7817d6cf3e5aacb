"""The last lines of an application's logs, in one round trip."""

from __future__ import annotations

import json
from typing import TypedDict

from pyinfra.api import FactBase, StringCommand

from groundcrew import remote


class LogLines(TypedDict):
    """The report of `groundcrew/remote/app_logs.py`: the journal of an application's units, and
    nginx's two logs."""

    journal: list[str]
    access: list[str]
    error: list[str]


class Logs(FactBase[LogLines]):
    """The last `lines` of each log of the application `app`, no older than `since` seconds."""

    @staticmethod
    def default() -> LogLines:
        """No lines."""
        return {"journal": [], "access": [], "error": []}

    def command(self, app: str, lines: int, since: int | None) -> StringCommand:
        """The command that runs the program on the host."""
        request = {"app": app, "lines": lines, "since": since}
        return remote.command("app_logs", json.dumps(request))

    def process(self, output: list[str]) -> LogLines:
        """Parses the program's line of JSON."""
        logs: LogLines = json.loads(output[-1])
        return logs
