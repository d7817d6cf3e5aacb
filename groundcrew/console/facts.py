"""What a run tells at its end, on the terminal and in its report: hosts, roles, what is served, and
what a failure has left as it was."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pyinfra.api import Host
from pyinfra.api.state import State

from groundcrew.console.failures import Story
from groundcrew.profile import HostProfile, Step
from groundcrew.record import HostRecord, Record
from groundcrew.releases import apart


@dataclass
class RoleTime:
    """What a role has done on one host."""

    role: str
    seconds: float = 0.0
    operations: int = 0
    changed: list[str] = field(default_factory=list)
    """Operations that changed the host, or would change it, without the role's name."""

    failed: list[str] = field(default_factory=list)


@dataclass
class HostFacts:
    """A host of the run."""

    name: str
    outcome: str
    """succeeded, failed, interrupted, not finished, not reached."""

    connecting: float
    roles: list[RoleTime]
    serving: dict[str, str | None]
    """Application -> live release, as last seen; empty if the run has not looked."""

    gone_live: dict[str, str]
    """Application -> release of this run that serves now."""

    unsure: bool = False
    """Whether an operation may have made a part of its changes before it failed. Checks make
    none."""

    @property
    def changed(self) -> int:
        """Number of operations that changed it, or would."""
        return sum(len(item.changed) for item in self.roles)

    @property
    def seconds(self) -> float:
        """Of its connection and operations."""
        return self.connecting + sum(item.seconds for item in self.roles)


@dataclass(frozen=True)
class Served:
    """A URL, and what answers it."""

    url: str
    name: str
    """The application, or the role whose site it is."""

    hosts: tuple[str, ...]
    releases: tuple[str, ...] = ()
    """Live releases, as last seen: more than one if hosts differ."""


@dataclass(frozen=True)
class Untouched:
    """What a failed run has left as it was."""

    host: str
    app: str | None
    """null: the whole host."""

    release: str | None
    """Release that still serves; null if the run has not looked, or nothing serves."""

    reason: str


def role_of(name: str) -> str:
    """The role that an operation's time is counted for: `nginx | files`, `shop: roll back`."""
    return name.partition(" | ")[0].partition(": ")[0]


def step_of(name: str) -> str:
    """The operation's name without that of its role."""
    return name.partition(" | ")[2] or name


def hosts(
    state: State,
    record: Record,
    profiles: Mapping[str, HostProfile],
    story: Story,
    *,
    executes: bool,
) -> list[HostFacts]:
    """All hosts of the run. `executes` is whether it makes changes, or only says which."""
    failed = {item.host for item in story.complete()}
    told = []
    for host in state.inventory:
        if not (state.is_host_in_limit(host) or host in state.failed_hosts):
            continue
        profile = profiles.get(host.name)
        item = HostFacts(
            host.name,
            outcome(state, host, profile is not None, executes=executes),
            profile.connect.seconds if profile else 0.0,
            roles_of(state, host, profile.operations if profile else ()),
            *served_by(record.hosts.get(host.name), apart.failed(host)),
        )
        told_by = record.hosts.get(host.name)
        checks = told_by.checks if told_by else {}
        item.unsure = any(role.failed and role.role not in checks for role in item.roles)
        if host.name in failed:
            item.outcome = "failed"
        elif host.name in (story.interrupted or ()):
            item.outcome, item.unsure = "interrupted", True
        told.append(item)
    return told


def outcome(state: State, host: Host, reached: bool, *, executes: bool) -> str:
    """How far a host came that has not failed: the failure of another one ends the run."""
    if not reached:
        return "not reached"
    if not executes:
        return "succeeded"
    done = state.is_executing and all(
        state.ops[host][key].operation_meta.is_complete() for key in host.op_hash_order
    )
    return "succeeded" if done else "not finished"


def roles_of(state: State, host: Host, steps: Iterable[Step]) -> list[RoleTime]:
    """The roles of a host in their order, from its operations; if none was executed, those that
    would be."""
    roles: dict[str, RoleTime] = {}
    for step in steps:
        item = roles.setdefault(role_of(step.name), RoleTime(role_of(step.name)))
        item.operations += 1
        item.seconds += step.seconds
        meta = state.get_op_data_for_host(host, step.operation).operation_meta
        if meta.is_complete():
            if meta.did_error():
                item.failed.append(step_of(step.name))
            elif meta.did_change():
                item.changed.append(step_of(step.name))
    if roles:
        return list(roles.values())
    for key in host.op_hash_order:
        name = ", ".join(sorted(state.get_op_meta(key).names))
        item = roles.setdefault(role_of(name), RoleTime(role_of(name)))
        item.operations += 1
        if state.ops[host][key].operation_meta._maybe_is_change:
            item.changed.append(step_of(name))
    return list(roles.values())


def served_by(
    told: HostRecord | None, bad: Mapping[str, str]
) -> tuple[dict[str, str | None], dict[str, str]]:
    """What serves on a host: as last seen or gone live since, and the part that is new."""
    if told is None:
        return {}, {}
    new = {item.app: item.after for item in told.releases if item.live and item.app not in bad}
    return {**told.serving, **new}, new


def untouched(told: Iterable[HostFacts], apps: Mapping[str, Iterable[str]]) -> list[Untouched]:
    """What a run that has failed left as it was. `apps` are the applications of each host."""
    kept = []
    for host in told:
        if host.outcome == "not reached":
            kept.append(Untouched(host.name, None, None, "not reached"))
            continue
        if not host.changed and not host.gone_live and not host.unsure:
            kept.append(Untouched(host.name, None, None, "nothing was changed"))
            continue
        for app in apps.get(host.name, ()):
            release = host.serving.get(app)
            if app in host.gone_live or (app in host.serving and release is None):
                continue
            reason = "still live" if release else "no release was begun"
            kept.append(Untouched(host.name, app, release, reason))
    return kept


def changed_nothing(kept: Iterable[Untouched], told: Iterable[HostFacts]) -> bool:
    """Whether a failed run has left every host as it was."""
    whole = {item.host for item in kept if item.app is None}
    return all(host.name in whole for host in told)
