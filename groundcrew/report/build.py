"""Builds the report of a run from what it has recorded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from pyinfra.api import Host
from pyinfra.api.state import State, StateStage

from groundcrew import __version__
from groundcrew.console import facts
from groundcrew.console import report as console
from groundcrew.console.facts import role_of, served_by
from groundcrew.console.failures import Failure, Story
from groundcrew.profile import HostProfile, Step
from groundcrew.record import HostRecord, Record, Release
from groundcrew.releases import apart
from groundcrew.report import model


@dataclass(frozen=True)
class Run:
    """The run itself; times are Unix times."""

    started: float
    ended: float
    files: tuple[str, ...] = ()
    inventory: str = ""
    dry: bool = False


SLOWEST = 10


def build(
    state: State, record: Record, profiles: Mapping[str, HostProfile], story: Story, run: Run
) -> model.Report:
    """The report of a run that ends now."""
    failures = [_failure(item) for item in story.complete()]
    if record.error and not failures:
        failures = [_own(record.error)]
    result = _outcome(state, bool(failures), story, run.dry)
    bad = {item.host for item in failures}
    told = facts.hosts(state, record, profiles, story, executes=not run.dry)
    roles = {item.name: item.roles for item in told}
    hosts = [
        _host(state, item, record.hosts[item.name], profiles.get(item.name), roles[item.name])
        for item in state.inventory
        if state.is_host_in_limit(item) or item in state.failed_hosts
    ]
    for one in hosts:
        if one.name in bad:
            one.outcome = "failed"
        elif one.name in (story.interrupted or ()):
            one.outcome = "interrupted"
        elif one.outcome == "not finished" and result in ("dry", "not executed"):
            one.outcome = "succeeded"
    return model.Report(
        groundcrew=__version__,
        started=moment(run.started),
        ended=moment(run.ended),
        seconds=round(run.ended - run.started, 2),
        files=list(run.files),
        inventory=run.inventory,
        outcome=result,
        failures=failures,
        hosts=hosts,
        timings=timings(hosts),
        slowest=slowest(hosts),
        untouched=_untouched(record, told) if failures else [],
    )


def moment(seconds: float) -> str:
    """A Unix time in ISO 8601."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def timings(hosts: Iterable[model.Host]) -> list[model.Timing]:
    """Seconds and number of operations of each role, the slowest first."""
    by_role: dict[str, model.Timing] = {}
    for host in hosts:
        for item in host.operations:
            one = by_role.setdefault(
                item.role, model.Timing(role=item.role, seconds=0, operations=0)
            )
            one.seconds = round(one.seconds + item.seconds, 2)
            one.operations += 1
    return sorted(by_role.values(), key=lambda item: (-item.seconds, item.role))


def slowest(hosts: Iterable[model.Host]) -> list[model.Slow]:
    """The slowest operations of all hosts."""
    items = [
        model.Slow(host=host.name, name=item.name, seconds=item.seconds)
        for host in hosts
        for item in host.operations
        if item.seconds
    ]
    return sorted(items, key=lambda item: -item.seconds)[:SLOWEST]


def _outcome(state: State, failed: bool, story: Story, dry: bool) -> model.Outcome:
    if story.interrupted is not None:
        return "interrupted"
    if failed or state.failed_hosts:
        return "failed"
    if dry:
        return "dry"
    # The run ends at the question whether to make the changes if they are not wanted.
    return "succeeded" if state.current_stage == StateStage.Disconnect else "not executed"


def _failure(item: Failure) -> model.Failure:
    said = console.words(item.lines)
    return model.Failure(
        host=item.host,
        step=item.step or "the run",
        cause=console.cause(said) if said else "it says no reason",
        lines=list(said),
        advice=console.hints(said),
    )


def _own(error: str) -> model.Failure:
    """A failure of the run that is no host's."""
    lines = [line for line in error.splitlines() if line.strip()]
    return model.Failure(
        host="", step="the run", cause=lines[0] if lines else error, lines=lines, advice=[]
    )


def _untouched(record: Record, told: list[facts.HostFacts]) -> list[model.Untouched]:
    apps = {name: sorted(item.releasing) for name, item in record.hosts.items()}
    return [model.Untouched.model_validate(asdict(item)) for item in facts.untouched(told, apps)]


def _role(item: facts.RoleTime) -> model.Role:
    return model.Role.model_validate({**asdict(item), "seconds": round(item.seconds, 2)})


def _host(
    state: State,
    host: Host,
    told: HostRecord,
    profile: HostProfile | None,
    roles: Iterable[facts.RoleTime],
) -> model.Host:
    operations = (
        [_operation(state, host, step, told) for step in profile.operations] if profile else []
    )
    if not operations:
        operations = list(_expected(state, host, told))
    connecting = profile.connect.seconds if profile else 0.0
    bad = apart.failed(host)
    return model.Host(
        name=host.name,
        outcome=_progress(state, host, profile is not None),
        seconds=round(connecting + sum(item.seconds for item in operations), 2),
        connecting=round(connecting, 2),
        roles=[_role(item) for item in roles],
        operations=operations,
        checks=[
            model.Checks(
                title=title, results=[model.Check.model_validate(asdict(item)) for item in results]
            )
            for title, results in told.checks.items()
        ],
        releases=[_release(item, bad) for item in told.releases],
        serving=[
            model.Serving(app=app, release=release)
            for app, release in sorted(served_by(told, bad)[0].items())
        ],
        told=[model.Told(title=title, lines=lines) for title, lines in told.told.items()],
    )


def _progress(state: State, host: Host, reached: bool) -> model.HostOutcome:
    """How far a host came that has not failed: the failure of another one ends the run."""
    if not reached:
        return "not reached"
    done = state.is_executing and all(
        state.ops[host][key].operation_meta.is_complete() for key in host.op_hash_order
    )
    return "succeeded" if done else "not finished"


def _operation(state: State, host: Host, step: Step, told: HostRecord) -> model.Operation:
    meta = state.get_op_data_for_host(host, step.operation).operation_meta
    outcome: model.OperationOutcome = "interrupted"
    if meta.is_complete():
        outcome = "failed" if meta.did_error() else "changed" if meta.did_change() else "unchanged"
    return model.Operation(
        name=step.name,
        role=role_of(step.name),
        outcome=outcome,
        seconds=round(step.seconds, 2),
        commands=step.commands,
        # What was to be changed and then was not is told by the failure.
        changes=told.changes.get(step.operation, []) if outcome != "unchanged" else [],
    )


def _expected(state: State, host: Host, told: HostRecord) -> Iterable[model.Operation]:
    """Operations that would change something, if none was executed."""
    for key in host.op_hash_order:
        if state.ops[host][key].operation_meta._maybe_is_change:
            name = ", ".join(sorted(state.get_op_meta(key).names))
            yield model.Operation(
                name=name,
                role=role_of(name),
                outcome="would change",
                seconds=0,
                commands=0,
                changes=told.changes.get(key, []),
            )


def _release(item: Release, bad: Mapping[str, str]) -> model.Release:
    return model.Release(
        app=item.app,
        before=item.before,
        after=item.after,
        outcome="live" if item.live and item.app not in bad else "failed",
        packages=None if item.packages is None else model.Packages.model_validate(item.packages),
    )
