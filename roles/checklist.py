"""The checklist of a host: what preflight, verify, status, the settings, the last audit and the
last load tests say, arranged. `groundcrew/checklist/lines.yml` says which check decides which
line."""

from __future__ import annotations

from collections.abc import Generator, Iterator

from pyinfra import host as current_host
from pyinfra.api import FunctionCommand, operation

from groundcrew.checklist.arrange import ResultsBySource, arrange
from groundcrew.checklist.lines import checklists
from groundcrew.facts.status import HostStatus
from groundcrew.manifest.model import AppSettings
from groundcrew.project import ROOT, program
from groundcrew.report import earlier
from groundcrew.results.result import Check, fail, judge, not_applicable, ok
from groundcrew.roles import promises
from groundcrew.roles.metrics.settings import MetricsSettings
from groundcrew.roles.preflight import operations as preflight
from groundcrew.roles.settings import HostSettings
from groundcrew.roles.verify import operations as verify
from groundcrew.settings import Loaded
from groundcrew.status.operations import look
from groundcrew.status.tables import FAILED
from groundcrew.verify.runner import run_checks


@operation()
def show(loaded: Loaded[HostSettings]) -> Generator[FunctionCommand, None, None]:
    """Prints the checklists, and fails the host if a line fails. Does nothing while changes are
    detected.

    + loaded: the host's settings
    """
    if not current_host.state.is_executing:
        return
    settings = loaded.settings
    results = arrange(checklists(), gather(loaded))
    yield from verify.tell("checklist", results, settings.checklist.json_path)


def gather(loaded: Loaded[HostSettings]) -> ResultsBySource:
    """The results of every source, of the current host."""
    settings = loaded.settings
    arguments = promises.verify_arguments(loaded)
    brought, parts = arguments["brought"], arguments["parts"]
    seen = verify.look(settings.verify, arguments["expected"], brought, parts)
    report = look(list(settings.app), None)
    return {
        "preflight": preflight.results(settings.preflight, promises.wanted(settings)),
        "verify": run_checks(verify.checks(brought, parts, arguments["sites"]), seen),
        "settings": list(of_settings(settings)),
        "status": list(of_status(report, settings.metrics)) if report else [NOT_SEEN],
        "audit": [of_audit(settings, current_host.name)],
        "loadtest": list(of_load_tests(settings)),
    }


NOT_SEEN = fail("status", "the host could not be looked at")


def of_settings(settings: HostSettings) -> Iterator[Check]:
    """What the settings themselves say. A run whose settings are wrong has ended before."""
    for name, app in settings.app.items():
        yield from _of_app(name, app)
    if settings.app:
        nginx = settings.nginx.client_connections
        yield ok("limits of nginx", f"{nginx} connections of one address at a time")
    problems = [] if settings.place.monitors else ["no host is in the group monitoring"]
    yield judge("monitored", problems, "a host of the inventory measures this one")
    has_data = settings.app or settings.brought.backups
    targets = ", ".join(settings.backup.used)
    if has_data or targets:
        yield judge("backups", [] if targets else ["no backup.targets"], f"to {targets}")
    else:
        yield not_applicable("backups", "the host has no data")


def _of_app(name: str, app: AppSettings) -> Iterator[Check]:
    required = f", required and set: {', '.join(app.required)}" if app.required else ""
    detail = f"{len(app.env)} variables, {len(app.secrets)} secrets{required}"
    yield ok(f"{name}: environment", detail)
    workers = getattr(app.server, "workers", getattr(app.server, "processes", None))
    detail = f"{app.server.type}, {workers} workers" if workers else app.server.type
    yield ok(f"{name}: workers", f"{detail}, {app.instances} x")
    memory = app.limits.memory_max
    problems = [] if memory or app.size else [f"no limit of memory (app.{name}.limits.memory_max)"]
    yield judge(f"{name}: limits", problems, f"memory {memory or f'by size {app.size}'}")
    problems = [] if app.scheme == "https" else [f"plain HTTP (app.{name}.tls)"]
    yield judge(f"{name}: HTTPS", problems, "visitors use HTTPS")


def of_status(report: HostStatus, metrics: MetricsSettings) -> Iterator[Check]:
    """Resources, judged as the alerts judge them, logs, and the last release of each
    application."""
    host = report["host"]
    load, cpus = host["load"][1], host["cpus"]
    detail = f"{load:.2f} in five minutes on {cpus} CPUs"
    yield judge("load", [f"{detail}: more work than processors"] if load > cpus else [], detail)
    free = 100 * host["memory_available"] / max(1, host["memory"])
    detail = f"{free:.0f} % available"
    low = free < metrics.memory_free
    yield judge("memory", [f"{detail} (metrics.memory_free)"] if low else [], detail)
    used = 100 - 100 * host["disk_free"] / max(1, host["disk"])
    detail = f"{used:.0f} % of /srv in use"
    full = used >= metrics.disk_used
    yield judge("disk", [f"{detail} (metrics.disk_used)"] if full else [], detail)
    for name, app in report["apps"].items():
        problems = [] if app["logs"] else ["nginx has logged nothing"]
        yield judge(f"{name}: logs", problems, f"nginx's take {app['logs']} bytes")
        last = app["log"][-1] if app["log"] else {}
        result = str(last.get("result", "never"))
        good = not FAILED.search(result)
        detail = f"{last.get('action', 'release')} {last.get('release', '')}: {result}"
        yield judge(f"{name}: last release", [] if good else [detail], detail)


def of_audit(settings: HostSettings, host: str) -> Check:
    """What the last audit found about this host and its applications."""
    audit = earlier.last_audit(ROOT, {host, *settings.app})
    again = f"{program('audit')} INVENTORY makes one"
    if audit is None:
        return not_applicable("packages", f"by hand: no audit was made; {again}")
    if audit.result == "not checked":
        why = audit.not_checked[0] if audit.not_checked else "nothing was checked"
        return fail("packages", f"audited {audit.at}: {why}; {again}")
    known = [f"{item.package} {item.version}: {item.names[0]}" for item in audit.findings]
    return judge("packages", [*known, *audit.updates][:5], f"nothing known, audited {audit.at}")


def of_load_tests(settings: HostSettings) -> Iterator[Check]:
    """The last load test of each application."""
    tests = {item.app: item for item in earlier.load_tests(ROOT, settings.app)}
    for name in settings.app:
        item = tests.get(name)
        if item is None:
            again = f"{program('loadtest')} {name} makes one"
            yield not_applicable(name, f"by hand: no load test was made; {again}")
            continue
        detail = f"{item.rate:.1f} per second, 95 % within {item.p95:.3f} s, {item.at}"
        bad = [f"{check.name}: {check.detail}" for check in item.checks if check.status == "fail"]
        yield judge(name, bad or ([] if item.ok else ["not passed"]), detail)
