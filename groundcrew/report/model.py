"""What a report contains. docs/report.schema.json is generated from these models.

Keys are only added. `version` is raised if one is removed or gets another meaning.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Outcome = Literal["succeeded", "failed", "interrupted", "dry", "not executed"]
HostOutcome = Literal["succeeded", "failed", "interrupted", "not finished", "not reached"]
OperationOutcome = Literal["changed", "unchanged", "failed", "interrupted", "would change"]


class Part(BaseModel):
    """A part of the report."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class Check(Part):
    """One result of a check."""

    name: str
    status: Literal["ok", "warn", "fail", "n/a"]
    detail: str
    """What was seen, or why it does not apply."""


class Checks(Part):
    """The results of `preflight`, `verify` or another set of checks."""

    title: str
    results: list[Check]


class Operation(Part):
    """An operation that ran on a host, in their order."""

    name: str
    role: str
    """What its time is counted for."""

    outcome: OperationOutcome
    seconds: float
    commands: int
    """Commands that it sent to the host."""

    changes: list[str]
    """What it changed, as far as it says so: paths, packages, units. Never contents."""


class Packages(Part):
    """The difference of the bills of materials of two releases: `NAME VERSION`, or `NAME OLD ->
    NEW`."""

    added: list[str]
    removed: list[str]
    changed: list[str]
    total: int
    """Number of packages of the new release."""

    problem: str | None = None
    """Why it is not known."""


class Release(Part):
    """A release that a host has switched to, or was to switch to."""

    app: str
    before: str | None
    """The release that served before; null if none did."""

    after: str
    outcome: Literal["live", "failed"]
    packages: Packages | None = None


class Serving(Part):
    """What serves at the end, as last seen in the run."""

    app: str
    release: str | None
    """null: nothing serves."""


class Role(Part):
    """What a role has done on a host."""

    role: str
    seconds: float
    operations: int
    changed: list[str]
    """Operations that changed the host, or would change it."""

    failed: list[str]
    """Operations that failed."""


class Url(Part):
    """A URL that the hosts of the run serve, if all goes well."""

    url: str
    name: str
    """The application, or the role whose site it is."""

    hosts: list[str]
    releases: list[str]
    """Live releases, as last seen in the run."""


class Untouched(Part):
    """What a failed run has left as it was."""

    host: str
    app: str | None
    """null: the whole host."""

    release: str | None
    """Release that is still live; null if the run has not looked."""

    reason: Literal["not reached", "nothing was changed", "still live", "no release was begun"]


class Told(Part):
    """Lines of a drill, a backup and the like."""

    title: str
    lines: list[str]


class Host(Part):
    """A host of the run."""

    name: str
    outcome: HostOutcome
    """`not finished`: the run has ended because of another host."""

    seconds: float
    """Seconds of its connection and operations."""

    connecting: float
    roles: list[Role] = []
    """In the order of the run."""

    operations: list[Operation]
    checks: list[Checks]
    releases: list[Release]
    serving: list[Serving]
    told: list[Told]


class Failure(Part):
    """Where and why a run failed."""

    host: str
    """Empty if no host is at fault."""

    step: str
    cause: str
    lines: list[str]
    """What the host said."""

    advice: list[str]


class Timing(Part):
    """The seconds of a role, on all hosts together."""

    role: str
    seconds: float
    operations: int


class Slow(Part):
    """One of the slowest operations."""

    host: str
    name: str
    seconds: float


class Finding(Part):
    """A known vulnerability of a package."""

    subject: str
    """Application and host, host, or file."""

    package: str
    version: str
    names: list[str]
    """CVE, GHSA, PYSEC."""

    fixed: list[str]
    title: str


class Audit(Part):
    """The last audit (`audit`) of what the run is about."""

    at: str
    result: Literal["clean", "vulnerable", "not checked"]
    subjects: int
    findings: list[Finding]
    updates: list[str]
    """Security updates of Debian's packages that wait: `HOST: PACKAGE OLD -> NEW`."""

    not_checked: list[str]


class LoadTest(Part):
    """The last load test (`loadtest`) of an application of the run."""

    app: str
    at: str
    ok: bool
    requests: int
    failed: int
    rate: float
    p95: float
    checks: list[Check]


class Report(Part):
    """A run: its hosts, what it changed, what was checked, and how long it took."""

    format: Literal["groundcrew-report"] = "groundcrew-report"
    version: Literal[1] = 1
    groundcrew: str
    """Version of groundcrew."""

    started: str
    """UTC, ISO 8601, as all times."""

    ended: str
    seconds: float
    files: list[str]
    """deploy.py or playbooks."""

    inventory: str
    outcome: Outcome
    failures: list[Failure]
    hosts: list[Host]
    timings: list[Timing]
    """The slowest role first."""

    slowest: list[Slow]
    urls: list[Url] = []
    untouched: list[Untouched] = []
    """Empty unless the run has failed."""

    audit: Audit | None = None
    load_tests: list[LoadTest] = []
