"""What functions of the role's modules tell on a host."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pyinfra.api import FactBase, QuoteString, StringCommand

from groundcrew import remote
from groundcrew.releases.target import Run


def command(
    module: str, function: str, request: Mapping[str, Any], run: Run = None
) -> StringCommand:
    """Calls a function on the host, as a step of the run that holds a lock. The request goes over
    standard input."""
    name = f"groundcrew.roles.swarm.{module}"
    wanted = {"module": name, "function": function, "request": dict(request), "run": run}
    return remote.command("call", payload=wanted, modules=(name,))


class Told(FactBase[Any]):
    """What a function returns. It changes nothing."""

    @staticmethod
    def default() -> Any:
        """Nothing."""
        return None

    def command(self, module: str, function: str, request: Mapping[str, Any]) -> StringCommand:
        """The command that calls it. Facts have no standard input, so the request is in the
        command, where every user of the host can read it: nothing that belongs to a secret, not
        even its digest."""
        name = f"groundcrew.roles.swarm.{module}"
        wanted = {"module": name, "function": function, "request": dict(request)}
        program = QuoteString(remote.script("call", name))
        return StringCommand(
            "printf", "%s", QuoteString(json.dumps(wanted)), "|", "python3", "-ISc", program
        )

    def process(self, output: list[str]) -> Any:
        """Parses its line of JSON."""
        return json.loads(output[-1])
