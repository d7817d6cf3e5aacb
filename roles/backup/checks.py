"""What verify and status say about backups."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from groundcrew.columns import size
from groundcrew.facts.backups import BackupState, KeptRestore
from groundcrew.results.result import Check, fail, judge, ok, warn
from groundcrew.roles.backup.report import Backups
from groundcrew.roles.backup.settings import BackupSettings
from groundcrew.verify.seen import Seen

DAY = 86400
FILES_AGE = 26 * 3600
"""Largest age in seconds of the newest backup of files, which are stored once a day."""

DRILL_AGE = 7 * DAY + 6 * 3600
RETENTION_AGE = 3 * DAY
CHECK_AGE = 9 * DAY


def backups(settings: BackupSettings, seen: Seen) -> Iterator[Check]:
    """Backups are young enough at every target, restores work, and the key is stored elsewhere."""
    report: Backups = seen.section("backup")
    if not report["planned"]:
        yield fail("backups", "the host is not set up for them yet: run deploy.py")
        return
    state, now = report["state"], time.time()
    yield from _ages(settings, report, now)
    yield _drill(report, now)
    for name in settings.used:
        yield from _target(settings, name, state, now)
    problems = [f"{kind}: {text}" for kind, texts in state.get("failed", {}).items()
                for text in texts]  # fmt: skip
    if problems:
        yield fail("backups: last runs", "; ".join(problems))
    yield from _key(settings, report)
    for name in report["same_disk"]:
        yield warn(f"backups at {name}", "the target is on the disk of the data: lost with it")
    for item in report["kept"]:
        yield warn("restores", _kept(item))


def _kept(item: KeptRestore) -> str:
    if item["mark"] is None:
        return f"a restore of {item['app']} has not ended: run it again"
    return (
        f"what the restore of {item['app']} has replaced is kept; remove it with "
        f"playbooks/restore.py --data app={item['app']} --data confirm={item['mark']}"
    )


def _ages(settings: BackupSettings, report: Backups, now: float) -> Iterator[Check]:
    for name in report["sets"]:
        limit = settings.rpo * 60 if name in report["servers"] else FILES_AGE
        problems, ages = [], []
        for target in settings.used:
            item = report["state"].get("sets", {}).get(name, {}).get(target)
            if item is None:
                problems.append(f"none at {target}")
            elif now - item["until"] > limit:
                problems.append(f"{age(now - item['until'])} old at {target}")
            else:
                ages.append(now - item["until"])
        newest = age(max(ages)) if ages else ""
        yield judge(f"backup of {name}", problems, f"at most {newest} old")


def _drill(report: Backups, now: float) -> Check:
    state = report["state"]
    last, good = state.get("drill"), state.get("last_good_drill", 0)
    if last and last["problems"]:
        return fail("drill", f"{age(now - last['at'])} ago: {'; '.join(last['problems'])}")
    if last and now - good <= DRILL_AGE:
        slowest = max((item.get("rto", 0) for item in last["apps"].values()), default=0)
        return ok("drill", f"{age(now - good)} ago, served after {slowest:.0f} s")
    if any("drill" in unit for unit in report["running"]):
        return warn("drill", "the first one runs")
    return fail("drill", "no backup has been restored for a week: playbooks/drill.py does it now")


def _target(settings: BackupSettings, name: str, state: BackupState, now: float) -> Iterator[Check]:
    item = state.get("targets", {}).get(name, {})
    space = item.get("space")
    problems = []
    if space:
        free, total = space
        used = 100 * (total - free) / total if total else 0
        if used > int(settings.full_at.rstrip("%")):
            problems.append(f"{used:.0f} % of it is in use")
    if now - item.get("retention", 0) > RETENTION_AGE:
        problems.append("old backups have not been removed for three days")
    first = min((entry["at"] for targets in state.get("sets", {}).values()
                 for target, entry in targets.items() if target == name), default=now)  # fmt: skip
    if now - max(item.get("check", 0), first) > CHECK_AGE:
        problems.append("it has not been checked for nine days")
    detail = f"{size(space[0])} free" if space else "in order"
    yield judge(f"backups at {name}", problems, detail)


def _key(settings: BackupSettings, report: Backups) -> Iterator[Check]:
    made = report["made_up"]
    if settings.key is None and made is not None and settings.key_stored != made:
        text = (
            "only this host has it: store what playbooks/backup_key.py shows, and say so with "
            "backup.key_stored"
        )
        yield warn("backups: key", text)


def age(seconds: float) -> str:
    """A time span in words."""
    if seconds < 120:
        return f"{max(0, seconds):.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    if seconds < 2 * DAY:
        return f"{seconds / 3600:.0f} h"
    return f"{seconds / DAY:.0f} days"


def status(report: Backups) -> Iterable[str]:
    """Lines of `playbooks/status.py`."""
    if not report["planned"]:
        yield "backups: not set up yet"
        return
    state, now = report["state"], time.time()
    drill = state.get("drill")
    if drill is None:
        last_drill = "no drill yet"
    elif drill["problems"]:
        last_drill = f"drill {age(now - drill['at'])} ago failed: {'; '.join(drill['problems'])}"
    else:
        last_drill = (
            f"drill {age(now - drill['at'])} ago with {drill['target']}, {drill['seconds']:.0f} s"
        )
    running = ", ".join(unit.removesuffix(".service") for unit in report["running"])
    yield f"backups: {last_drill}{f'; {running} runs' if running else ''}"
    for name in report["sets"]:
        targets = state.get("sets", {}).get(name, {})
        parts = [f"{target} {age(now - item['until'])} old, {size(item['bytes'] or 0)}"
                 for target, item in sorted(targets.items())]  # fmt: skip
        yield f"  {name}: {'; '.join(parts) or 'none'}"
