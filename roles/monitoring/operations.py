"""The test of the receivers."""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from typing import Any

from pyinfra import host, logger
from pyinfra.api import FunctionCommand, OperationError, operation

from groundcrew import remote
from groundcrew.releases.undo import connector_arguments
from groundcrew.remote.printable import printable
from groundcrew.roles.monitoring.report import SentTest
from groundcrew.roles.monitoring.settings import MonitoringSettings

ON_HOST = "groundcrew.roles.monitoring.on_host"
SECTION = "send_test"
PATIENCE = 30
"""Seconds that a message may take."""


@operation()
def send_test(settings: MonitoringSettings) -> Generator[FunctionCommand, None, None]:
    """Sends an alert to all receivers, and fails if messages about it do not arrive.

    + settings: of monitoring
    """
    # To Alertmanager, a bot is a webhook.
    bots = settings.bots
    kinds = sorted(
        {"webhook" if name in bots else item.type for name, item in settings.used.items()}
    )
    request = {
        "alertmanager": settings.alerts_port,
        "seconds": settings.group_wait + PATIENCE,
        "kinds": kinds,
        "labels": {"alertname": "Test", "instance": host.name, "severity": "warning"},
        "annotations": {
            "summary": f"a test of the alerts of {host.name}",
            "action": "Nothing: it ends within a minute.",
        },
    }
    yield FunctionCommand(_send, (request,), {})


def _send(request: dict[str, Any]) -> None:
    asked = [{"module": ON_HOST, "sections": [SECTION], "last": [], "request": request}]
    command = remote.command("read_host", json.dumps(asked), modules=(ON_HOST,))
    good, output = host.run_shell_command(command, **connector_arguments(host))
    if not good:
        raise OperationError(printable(output.stderr.strip() or output.stdout.strip()))
    answer = json.loads(output.stdout.splitlines()[-1])[SECTION]
    problems = [answer["error"]] if "error" in answer else told(request["kinds"], answer)
    if problems:
        raise OperationError("; ".join(problems))
    logger.info(f"[{host.name}] sent by {' and '.join(request['kinds'])}")


def told(kinds: Sequence[str], answer: SentTest) -> list[str]:
    """What is wrong with the answer of `send_test`."""
    if not kinds:
        return ["alerts have no receiver: set monitoring.receivers"]
    return [
        f"{kind}: {'refused' if kind in answer['failed'] else 'nothing was sent'}; "
        "journalctl -u prometheus-alertmanager shows why"
        for kind in kinds
        if kind in answer["failed"] or kind not in answer["sent"]
    ]
