"""Operations of backups on the host."""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pyinfra import host, logger
from pyinfra.api import (
    FactBase,
    FunctionCommand,
    Host,
    QuoteString,
    State,
    StringCommand,
    operation,
)

from groundcrew import json_file, record, remote
from groundcrew.facts.backups import ListedBackup, Listing, Replacement, StepAnswer
from groundcrew.operations.guard import refuse
from groundcrew.read_first import reading_first
from groundcrew.releases.undo import connector_arguments
from groundcrew.remote.printable import printable
from groundcrew.roles.backup.report import Key

ON_HOST = "groundcrew.roles.backup.on_host"
NO_KEY = "no SSH key"
BEGAN = "groundcrew_restore_began"
PROGRAM = "/usr/bin/python3 -IS /usr/local/lib/groundcrew/backup.py"
_listed: dict[str, Any] = {}
Commands = Generator[StringCommand | FunctionCommand, None, None]


def call(function: str, request: Mapping[str, Any]) -> StringCommand:
    """Calls a function of `roles/backup/on_host.py`."""
    payload = {"module": ON_HOST, "function": function, "request": dict(request)}
    return remote.command("call", payload=payload, modules=(ON_HOST,))


class Called(FactBase[Any]):
    """What a function of `roles/backup/on_host.py` returns."""

    def command(self, function: str, request: Mapping[str, Any]) -> StringCommand:
        """The command that calls it."""
        self.function = function
        asked = [{"module": ON_HOST, "sections": [function], "last": [], "request": dict(request)}]
        return remote.command("read_host", json.dumps(asked), modules=(ON_HOST,))

    def process(self, output: list[str]) -> Any:
        """Parses one line of JSON. Raises OSError if the function failed."""
        value = json.loads(output[-1])[self.function]
        if isinstance(value, dict) and set(value) == {"error"}:
            raise OSError(value["error"])
        return value


@operation()
@reading_first
def begin(request: Mapping[str, Any]) -> Commands:
    """Starts the timers, and makes up SSH keys that are missing.

    + request: as `pending` in `roles/backup/on_host.py` takes it
    """
    lines: list[str] = host.get_fact(Called, function="pending", request=request)
    if not lines:
        host.noop("the timers run")
        return
    for line in lines:
        host.log(line)
    yield call("begin", request)
    if host.state.is_executing and any(line.startswith(NO_KEY) for line in lines):
        show_public_keys()


@operation()
@reading_first
def make_identities(request: Mapping[str, Any]) -> Commands:
    """Makes up SSH keys that are missing, and shows the public ones.

    + request: as `missing` in `roles/backup/on_host.py` takes it
    """
    if not host.get_fact(Called, function="missing", request=request):
        host.noop("there are SSH keys")
        return
    yield call("identities", request)
    if host.state.is_executing:
        show_public_keys()


def show_public_keys() -> None:
    """Shows the public SSH keys that the current host has made up."""
    keys: dict[str, str] = host.get_fact(Called, function="public_keys", request={})
    for name, key in keys.items():
        logger.info(
            f"[{host.name}] put its public SSH key into authorized_keys at the target {name}: {key}"
        )


@operation()
@reading_first
def first() -> Commands:
    """Makes the first backup, and starts the first drill, which goes on by itself."""
    if host.get_fact(Called, function="has_backups", request={}):
        host.noop("there are backups")
        return
    yield StringCommand(f"{PROGRAM} first && systemctl start --no-block groundcrew-backup-drill")


class Answer(FactBase[Any]):
    """What a step of the program on the host answers. Steps that are facts change nothing."""

    def command(self, step: str, request: Mapping[str, Any]) -> StringCommand:
        """The command that takes the step."""
        return program(step, request)

    def process(self, output: list[str]) -> Any:
        """Parses the last line, which is JSON."""
        return json.loads(output[-1])


def program(step: str, request: Mapping[str, Any]) -> StringCommand:
    """The command of a step."""
    return StringCommand(f"{PROGRAM} {step}", QuoteString(json.dumps(dict(request))))


@operation()
def step(step: str, request: Mapping[str, Any]) -> Commands:
    """Takes a step of a restore, and shows what it says.

    + step: `prepare`, `stop`, `put`, `start` or `forget`
    + request: application, part, moment, target, host
    """
    yield FunctionCommand(_step, (step, request), {})


def _step(state: State, host: Host, step: str, request: Mapping[str, Any]) -> bool:  # noqa: ARG001
    """Takes a step on a host, and shows its answer. Returns whether it succeeded."""
    if step == "prepare":
        host.connector_data[BEGAN] = time.monotonic()
    good, output = host.run_shell_command(program(step, request), **connector_arguments(host))
    if not good:
        return fail(host, [output.stderr.strip() or output.stdout.strip()])
    answer: StepAnswer = json.loads(output.stdout.splitlines()[-1])
    for line in answer.get("replaced") or ():
        logger.info(f"[{host.name}] {line}")
    if answer.get("replaced") and answer.get("mark"):
        logger.info(
            f"[{host.name}] when all is well, remove what was replaced: playbooks/restore.py "
            f"--data app={request['app']} --data confirm={answer['mark']}"
        )
    if answer.get("started"):
        seconds = time.monotonic() - host.connector_data[BEGAN]
        logger.info(
            f"[{host.name}] {request['app']} serves its restored data, {seconds:.0f} s after this "
            "run began to restore"
        )
    return True


def fail(host: Host, lines: Sequence[str]) -> bool:
    """Shows why a command failed; false. An exception would be shown with a traceback."""
    for line in lines:
        host.log_styled(printable(line), log_func=logger.error, fg="red")
    return False


@operation()
def describe(request: Mapping[str, Any], go_on: bool) -> Commands:
    """Shows what a restore replaces.

    + request: application, part, moment, target, host
    + go_on: whether it is replaced in this run
    """
    yield from ()
    if not host.state.is_executing:
        return
    replacements: list[Replacement] = host.get_fact(Answer, step="describe", request=request)
    for item in replacements:
        logger.info(f"[{host.name}] {item['replaces']}: {told(item)}")
    if not go_on:
        app = request["app"]
        logger.info(f"[{host.name}] nothing was replaced: add --data restore={app} to do it")


def seconds(moment: datetime | None) -> float | None:
    """Seconds since 1970; a moment without a time zone is in UTC."""
    if moment is None:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def told(item: Replacement) -> str:
    """What a part is replaced by, for people."""
    moment = datetime.fromtimestamp(item["until"], UTC)
    return f"as of {moment:%Y-%m-%d %H:%M:%S} UTC, from {item['target']}"


@operation()
def run_unit(kind: str) -> Commands:
    """Makes a backup or a drill now, in the unit that the timers start, and shows what it says.

    + kind: `full`, `daily`, `logs`, `check` or `drill`
    """
    unit = f"groundcrew-backup-{kind}.service"
    yield FunctionCommand(_run_unit, (unit,), {})


def _run_unit(state: State, host: Host, unit: str) -> bool:  # noqa: ARG001
    """Starts a unit on a host, waits until it has ended, and shows what it has logged. Returns
    whether it succeeded."""
    shown = "journalctl --no-pager --output=cat"
    text = (
        f"systemctl start {unit}; code=$?; "
        f"{shown} _SYSTEMD_INVOCATION_ID=$(systemctl show -P InvocationID {unit}) "
        "SYSLOG_IDENTIFIER=python3 | tail -n 200; "
        "exit $code"
    )
    good, output = host.run_shell_command(StringCommand(text), **connector_arguments(host))
    lines = [line for line in output.stdout.splitlines() if line.strip()]
    record.tell(host, unit.removeprefix("groundcrew-").removesuffix(".service"), lines)
    if not good:
        return fail(host, lines or output.stderr.splitlines())
    for line in lines:
        logger.info(f"[{host.name}] {printable(line)}")
    return True


@operation()
def show_key() -> Commands:
    """Prints the key of the backups on the operator's terminal, and nowhere else."""
    yield from ()
    if not host.state.is_executing:
        return
    answer: Key = host.get_fact(Called, function="show_key", request={})
    lines = [
        f"{host.name}: the key of its backups; nobody can restore them without it:",
        answer["key"],
    ]
    if answer["fingerprint"]:
        lines.append(f'when you have stored it: backup.key_stored = "{answer["fingerprint"]}"')
    lines += [f"public SSH key for {name}: {key}" for name, key in answer["ssh"].items()]
    logger.info("\n    ".join(lines))


@operation()
def show_backups(hosts: Sequence[str], json_path: str | None = None) -> Commands:
    """Lists the backups of the host at all targets, and other hosts that have some there.

    + hosts: directories of the inventory's hosts
    + json_path: file on the operator's machine for the backups of all hosts of this run
    """
    if not host.state.is_executing:
        return
    listed: Listing = host.get_fact(Answer, step="list", request={})
    lines = listing(listed["backups"])
    for target, names in listed["hosts"].items():
        others = sorted(set(names) - set(hosts))
        if others:
            lines.append(f"{target}: also of {', '.join(others)}, not in this inventory")
    logger.info("\n    ".join(f"[{host.name}] {line}" for line in lines))
    if json_path:
        _listed[host.name] = listed
        try:
            json_file.replace(json_path, {"hosts": _listed})
        except OSError as error:
            yield refuse(f"backups.json cannot be written: {error}")


def listing(items: list[ListedBackup]) -> list[str]:
    """One line for each target and set."""
    groups: dict[tuple[str, str], list[float]] = {}
    for item in items:
        groups.setdefault((item["target"], item["set"]), []).append(item["until"])

    def at(seconds: float) -> str:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"

    return [
        f"{target}: {name}: {len(times)} backups, {at(min(times))} to {at(max(times))}"
        for (target, name), times in sorted(groups.items())
    ]
