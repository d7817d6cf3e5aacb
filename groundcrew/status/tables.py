"""The state of a host as text. Pure."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

from pyinfra.api.output import format_text

from groundcrew.columns import columns, size, span
from groundcrew.contract import StatusLines
from groundcrew.facts.status import AppStatus, HostStatus, LogEntry, Note, UnitStatus
from groundcrew.status.parts import Part, part
from groundcrew.terminal import WIDEST

INDENT = "  "
FAILED = re.compile(r"^(?!live).*\b(failed|not)\b")


def status_table(
    host: str, report: HostStatus, width: int | None = None, roles: Sequence[StatusLines] = ()
) -> list[str]:
    """The full state: the host, the roles, then each application; wrapped at `width` characters, if
    given."""
    lines = [f"Status of {host}", *_indented(_wrapped(resources(report), width, 1))]
    for line in role_lines(report, roles):
        lines += _indented(_wrapped(line, width, 1))
    inner = None if width is None else width - 2 * len(INDENT)
    for name, app in report["apps"].items():
        body = [
            *remarks(app, inner),
            "",
            *unit_rows(name, app, report["time"], inner),
            "",
            *release_rows(app, inner),
            "",
            *log_rows(app["log"], inner),
            "",
            *given(app, inner),
        ]
        lines += ["", *_indented(headline(name, app, width)), *_indented(body, 2)]
    return lines


def releases_table(host: str, report: HostStatus, width: int | None = None) -> list[str]:
    """The kept releases of each application."""
    lines = [f"Releases on {host}"]
    inner = None if width is None else width - 2 * len(INDENT)
    for name, app in report["apps"].items():
        rows = release_rows(app, inner)
        lines += ["", *_indented(headline(name, app, width)), *_indented(rows, 2)]
    return lines


def resources(report: HostStatus) -> str:
    """Load, memory, disk and uptime on one line."""
    host = report["host"]
    load = " ".join(f"{value:.2f}" for value in host["load"])
    return (
        f"load {load} on {host['cpus']} CPUs; memory {size(host['memory_available'])} of "
        f"{size(host['memory'])} available; /srv {size(host['disk_free'])} of "
        f"{size(host['disk'])} free; journal "
        f"{size(host['journal'])}; up {span(host['uptime'])}"
    )


def role_lines(report: HostStatus, roles: Iterable[StatusLines]) -> Iterator[str]:
    """The lines of the roles."""
    sections = cast("Mapping[str, Any]", report)
    for role in roles:
        data = sections.get(role.key)
        if isinstance(data, Mapping) and set(data) == {"error"}:
            yield f"{role.key}: could not be read: {data['error']}"
        else:
            yield from role.lines(data)


def headline(name: str, app: AppStatus, width: int | None = None) -> list[str]:
    """The live release, since when it is live, and who released it."""
    live = app["live"]
    if not live:
        return [f"{name}: {format_text('no release is live', 'red')}"]
    release = app["releases"].get(live)
    entry = release["switched"] if release else None
    source = f" ({release['source']})" if release else ""
    since = f" since {_time(entry.get('time'))} UTC by {entry.get('operator')}" if entry else ""
    first, *more = _wrapped(f"{name}: {live}{source} is live{since}", width, 1)
    return [first.replace(live, format_text(live, "green"), 1), *more]


def given(app: AppStatus, width: int | None = None) -> list[str]:
    """The names of the live release's variables, and the size of nginx's logs."""
    names = _wrapped(f"variables: {', '.join(app['variables']) or 'none'}", width or WIDEST)
    return [*names, f"nginx's logs take {size(app['logs'])}"]


def remarks(app: AppStatus, width: int | None = None) -> Iterator[str]:
    """Remarks about unusual states."""
    for text in _remarks(app):
        for line in _wrapped(text, width):
            yield format_text(line, "yellow")


def _remarks(app: AppStatus) -> Iterator[str]:
    if app["live"] != app["current"]:
        yield (
            f"requests go to {app['live']}, but the link on disk leads to {app['current']}: the "
            "next release fixes it"
        )
    if stopped := app.get("stopped"):
        yield f"stopped, {_by(stopped)}: `groundcrew start` starts it again"
    if app["maintenance"]:
        yield f"maintenance is on, {_by(app['maintenance'])}"
    if app["lock"]:
        held = app["lock"]["held"]
        text = "a run is at work" if held else "a run ended without giving its lock back"
        hint = "" if held else "; the next one goes on from there"
        yield f"{text}, {_by(app['lock'])}{hint}"


def unit_rows(name: str, app: AppStatus, now: int, width: int | None = None) -> list[str]:
    """The units of the live release, and running units of others."""
    rows = [("UNIT", "STATE", "SINCE", "RESTARTS", "MEMORY", "TASKS", "CPU", "REMARK")]
    failed = [False]
    for unit, state in sorted(app["units"].items(), key=lambda item: _order(name, item[0])):
        item = part(name, unit)
        here = item.release in (None, app["live"])
        if item.kind == "job" or not (here or state["active"] not in ("inactive", "failed")):
            continue
        job = app["units"].get(unit.removesuffix(".timer") + ".service")
        remark = timer_remark(state, job, now) if item.kind == "timer" else ""
        rows.append(
            (
                item.label,
                f"{state['active']} ({state['sub']})",
                span(now - state["since"]) if state["since"] else "-",
                _count(state["restarts"]),
                size(state["memory"]),
                _count(state["tasks"]),
                span(state["cpu"] / 1e9) if state["cpu"] is not None else "-",
                remark if here else f"of {item.release}",
            )
        )
        failed.append(not app.get("stopped") and _is_bad(item, state, job))
    return _painted(rows, ["red" if bad else None for bad in failed], width)


def timer_remark(timer: UnitStatus, job: UnitStatus | None, now: int) -> str:
    """The result of the last run, and the time until the next one."""
    if job and job["active"] in ("active", "activating"):
        last = "running"
    elif job and job["ended"]:
        last = f"last run: {job['result']}, {span(now - job['ended'])} ago"
    elif timer["triggered"]:
        last = f"last run: {span(now - timer['triggered'])} ago, by another release"
    else:
        last = "has not run yet"
    due = timer["next"]
    return f"{last}; next in {span(max(0, due - now))}" if due else last


def release_rows(app: AppStatus, width: int | None = None) -> list[str]:
    """The kept releases, newest first."""
    rows = [("RELEASE", "STATE", "SOURCE", "BUILT (UTC)", "BY", "LAST")]
    colours: list[str | None] = [None]
    for name, release in sorted(app["releases"].items(), reverse=True):
        last, bad = release["last"], release["bad"]
        live = name == app["live"]
        state = "live" if live else "bad" if bad else "kept" if release["built"] else "unfinished"
        built = release["built"]
        rows.append(
            (
                name,
                state,
                release["source"] or "-",
                _date(datetime.fromtimestamp(built, UTC)) if built else "-",
                last.get("operator", "-") if last else "-",
                f"{last.get('action')}: {last.get('result')}, {_time(last.get('time'))}"
                if last
                else "-",
            )
        )
        colours.append("green" if live else "red" if bad else None)
    return _painted(rows, colours, width) if len(rows) > 1 else ["no release is kept"]


def log_rows(log: Sequence[LogEntry], width: int | None = None) -> list[str]:
    """The release log's entries, oldest first."""
    rows = [("TIME (UTC)", "WHO", "ACTION", "RELEASE", "SECONDS", "RESULT")]
    for entry in log:
        values = (entry.get("operator"), entry.get("action"), entry.get("release"))
        seconds, result = entry.get("seconds"), entry.get("result", "-")
        who, action, release = (str(value or "-") for value in values)
        rows.append((_time(entry.get("time")), who, action, release, _count(seconds), str(result)))
    colours = ["red" if FAILED.search(row[-1]) else None for row in rows]
    return _painted(rows, colours, width) if len(rows) > 1 else ["the release log is empty"]


def _is_bad(item: Part, state: UnitStatus, job: UnitStatus | None) -> bool:
    if item.kind == "timer":
        return state["active"] != "active" or bool(job and job["result"] not in ("", "success"))
    return state["active"] != "active" or bool(state["restarts"])


def _order(app: str, unit: str) -> tuple[int, str, str]:
    item = part(app, unit)
    return ["web", "socket", "worker", "timer", "job"].index(item.kind), item.label, unit


def _painted(
    rows: Sequence[Sequence[str]], colours: Sequence[str | None], width: int | None
) -> list[str]:
    lines = columns(rows, width)
    return [
        format_text(line, colour) if colour else line
        for line, colour in zip(lines, colours, strict=True)
    ]


def _indented(lines: Sequence[str], depth: int = 1) -> list[str]:
    parts = [part for line in lines for part in line.split("\n")]
    return [INDENT * depth + line if line else "" for line in parts]


def _wrapped(text: str, width: int | None, depth: int = 0) -> list[str]:
    if width is None:
        return [text]
    return textwrap.wrap(
        text,
        width - depth * len(INDENT),
        subsequent_indent=INDENT,
        break_on_hyphens=False,
        break_long_words=False,
    )


def _count(value: int | None) -> str:
    return "-" if value is None else str(value)


def _by(note: Note) -> str:
    return f"by {note.get('operator') or 'somebody'} since {_time(note.get('since'))} UTC"


def _time(text: str | None) -> str:
    """A time of the log (UTC) in a readable form."""
    return (text or "?").replace("T", " ").removesuffix("Z")


def _date(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S")
