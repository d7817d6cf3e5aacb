"""Operations of `playbooks/renew.py`."""

from __future__ import annotations

import json
from collections.abc import Generator

from pyinfra import host, logger
from pyinfra.api import FactBase, FunctionCommand, Host, State, StringCommand, operation

from groundcrew import remote
from groundcrew.releases.undo import connector_arguments
from groundcrew.remote.printable import printable
from groundcrew.roles.renewal.brings import ON_HOST
from groundcrew.roles.renewal.builders import SERVICE
from groundcrew.roles.renewal.report import Renewals as Report

Commands = Generator[StringCommand | FunctionCommand, None, None]


class Renewals(FactBase[Report]):
    """What there is to renew, see `roles/renewal/on_host.py`."""

    def command(self) -> StringCommand:
        """The command that looks."""
        asked = [{"module": ON_HOST, "sections": ["renewal"], "last": [], "request": {}}]
        return remote.command("read_host", json.dumps(asked), modules=(ON_HOST,))

    def process(self, output: list[str]) -> Report:
        """Parses one line of JSON. Raises OSError if it could not look."""
        section = json.loads(output[-1])["renewal"]
        if set(section) == {"error"}:
            raise OSError(section["error"])
        report: Report = section
        return report


@operation()
def run() -> Commands:
    """Renews now, in the unit that the timer starts, and shows what it says."""
    state = host.get_fact(Renewals)
    for unit, item in state["left"].items():
        host.log(f"{unit} is left alone: {item['why']}")
    if not state["waiting"] and not state["failed"]:
        host.noop("nothing to renew")
        return
    yield FunctionCommand(_run, (), {})


def _run(state: State, host: Host) -> bool:  # noqa: ARG001
    """Starts the unit, waits until it has ended, and shows what it has logged. Returns whether it
    succeeded."""
    text = (
        # By time, as systemd forgets a unit that has ended well, and its invocation.
        "began=$(date +%s); "
        # Not `systemctl start` alone: it loses its connection when systemd itself is renewed.
        f"systemctl start --no-block {SERVICE} && while sleep 1; do "
        f"case $(systemctl show -P ActiveState {SERVICE} 2>/dev/null) in "
        "inactive|failed) break;; esac; done; "
        f"[ $(systemctl show -P Result {SERVICE}) = success ]; code=$?; "
        f"journalctl --no-pager --output=cat --since=@$began _SYSTEMD_UNIT={SERVICE} "
        "SYSLOG_IDENTIFIER=python3 | tail -n 200; exit $code"
    )
    good, output = host.run_shell_command(StringCommand(text), **connector_arguments(host))
    lines = [printable(line) for line in output.stdout.splitlines() if line.strip()]
    if good:
        for line in lines:
            logger.info(f"[{host.name}] {line}")
        return True
    for line in lines or output.stderr.splitlines():
        host.log_styled(printable(line), log_func=logger.error, fg="red")
    return False
