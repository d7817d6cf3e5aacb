"""`groundcrew loadtest`: sends load to an application or a URL, and judges the answers."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from groundcrew import json_file, terminal
from groundcrew.columns import columns
from groundcrew.loadtest import judge
from groundcrew.loadtest.plan import Plan, PlanError, chosen, names, plan, plan_for_url
from groundcrew.loadtest.run import run
from groundcrew.manifest.load import Load
from groundcrew.operator.inventory import InventoryError, listed
from groundcrew.project import PACKAGE, ROOT, program
from groundcrew.results.json_report import passed
from groundcrew.results.table import table

USAGE = 2
STOPPED = 130
EVERY = 5
"""Seconds between two lines of progress."""

DURING = ("release", "restart", "backup", "drill")
TARGETS = PACKAGE / "loadtest" / "targets.py"
FOLDER = ".groundcrew/loadtest"
SHOWN = 10
"""Kinds of failures that are shown."""


def parser() -> argparse.ArgumentParser:
    """The parser of the command's arguments."""
    top = argparse.ArgumentParser(
        prog=program("loadtest"),
        description="Send load to an application, as its manifest says (`load`), or to a URL.",
        epilog="Exit status: 0 passed, 1 not passed, 2 wrong usage, 130 stopped by Ctrl-C.",
    )
    top.add_argument("what", metavar="APP|URL", help="an application of the inventory, or a URL")
    top.add_argument("--inventory", default="inventory/prod.py", help="default: %(default)s")
    top.add_argument("--host", help="the host that gets the load; default: the first that has APP")
    top.add_argument("--data", action="append", default=[], help="as pyinfra's")
    numbers = {
        "users": (int, "users at the same time"),
        "requests": (int, "requests after which the test ends"),
        "duration": (int, "seconds after which the test ends"),
        "ramp-up": (int, "seconds within which the users begin"),
        "pause": (float, "seconds that a user waits between two requests"),
        "timeout": (float, "seconds after which a request has failed"),
        "success": (float, "percentage of requests that must succeed"),
        "p95": (float, "seconds within which 95 %% of the answers must come"),
        "rate": (float, "requests per second that must be reached"),
    }
    for name, (kind, description) in numbers.items():
        top.add_argument(f"--{name}", type=kind, help=f"{description}; default: the manifest's")
    top.add_argument(
        "--during",
        choices=DURING,
        help="run this playbook under the load, which lasts until it has ended",
    )
    top.add_argument("--html", metavar="PATH", help=f"default: {FOLDER}/NAME.html")
    top.add_argument("--json", metavar="PATH", help=f"default: {FOLDER}/NAME.json")
    top.add_argument("--insecure", action="store_true", help="accept any certificate")
    top.add_argument(
        "--anywhere", action="store_true", help="also a URL that is not of the inventory's hosts"
    )
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the test and returns the exit status."""
    top = parser()
    options = top.parse_args(arguments)
    try:
        return load(options)
    except KeyboardInterrupt:
        print("groundcrew: stopped by you", file=sys.stderr)
        return STOPPED
    except (PlanError, OSError, subprocess.CalledProcessError) as error:
        print(f"groundcrew: {error}", file=sys.stderr)
        return USAGE


def load(options: argparse.Namespace) -> int:
    """Runs the test, prints what came of it, and returns the exit status. Raises PlanError."""
    what = str(options.what)
    is_url = "://" in what
    known = inventory(options)
    if is_url:
        settings = settings_of({}, options)
        test = of_url(what, settings, options, known)
    else:
        item = chosen(known["targets"], what, options.host)
        settings = settings_of(item["load"], options)
        test = plan(item, settings, options.insecure, os.environ)
    name = test["name"] if is_url else what
    html = Path(options.html or ROOT / FOLDER / f"{name}.html")
    html.parent.mkdir(parents=True, exist_ok=True)
    print(
        f"{test['title']}: {test['url']} at {test['address']}, {test['users']} users",
        flush=True,
    )
    progress = Progress()
    result = run(test, html, progress.tell, during(options, is_url))
    checks = list(judge.checks(result, settings))
    document = str(options.json or ROOT / FOLDER / f"{name}.json")
    rows = [{"name": one.name, "status": one.status, "detail": one.detail} for one in checks]
    json_file.replace(document, {"ok": passed(checks), "plan": shown(test), **result,
                                 "checks": rows})  # fmt: skip
    print("\n".join(summary(result)))
    if advice := judge.hint(result):
        print(advice)
    print(table("", checks, terminal.width()).strip("\n"))
    print(f"{html}\n{document}")
    if result["stopped"]:
        return STOPPED
    return 0 if passed(checks) else 1


def inventory(options: argparse.Namespace) -> dict[str, Any]:
    """The applications and hosts of the inventory; none if any URL will do. Raises PlanError."""
    path = Path(options.inventory)
    if not path.exists() and options.anywhere:
        return {"targets": [], "hosts": {}}
    if not path.exists():
        raise PlanError(f"{path}: no such inventory (--inventory)")
    try:
        return listed(str(path.resolve()), TARGETS, options.data)
    except InventoryError as error:
        raise PlanError(str(error)) from None


def pyinfra(options: argparse.Namespace) -> list[str]:
    """The beginning of pyinfra's command line."""
    return [sys.executable, "-m", "pyinfra", str(Path(options.inventory).resolve())]


def data(options: argparse.Namespace) -> list[str]:
    """pyinfra's options for `--data`."""
    return [f"--data={item}" for item in options.data]


def during(options: argparse.Namespace, is_url: bool) -> list[str] | None:
    """The command that runs under the load. Raises PlanError."""
    if options.during is None:
        return None
    if is_url:
        raise PlanError("--during needs the name of an application, not a URL")
    command = [*pyinfra(options), f"playbooks/{options.during}.py", "-y", *data(options)]
    return [*command, f"--data=app={options.what}"]


def settings_of(own: Mapping[str, Any], options: argparse.Namespace) -> Load:
    """The manifest's settings with those of the command line. Raises PlanError."""
    given = {
        name: value
        for name in Load.model_fields
        if (value := getattr(options, name, None)) is not None
    }
    try:
        settings = Load.model_validate({**own, **given})
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]).replace("_", "-")
        raise PlanError(f"--{name}: {first['msg']}") from None
    if settings.duration <= settings.ramp_up:
        raise PlanError("--duration must be longer than --ramp-up")
    return settings


def of_url(url: str, settings: Load, options: argparse.Namespace, known: Mapping[str, Any]) -> Plan:
    """The plan for a URL. Raises PlanError if its host is not in the inventory."""
    own = names(known["targets"], known["hosts"])
    test = plan_for_url(url, settings, options.insecure, own)
    if test["name"] not in own and not options.anywhere:
        raise PlanError(
            f"{test['name']} is not a host of {options.inventory}, nor a name of its applications; "
            "--anywhere sends load there all the same"
        )
    return test


def shown(test: Plan) -> dict[str, Any]:
    """The plan without what requests contain, which may be secret."""
    return {key: value for key, value in test.items() if key not in ("login", "steps")}


class Progress:
    """Prints the figures of every few seconds."""

    def __init__(self) -> None:
        self.told = 0

    def tell(self, figures: Mapping[str, Any]) -> None:
        """Prints a line, with a heading before the first."""
        if not self.told:
            print("  seconds  users  requests  failed  per second  p50 in s  p95 in s", flush=True)
        self.told += 1
        if self.told % EVERY == 1:
            print(
                f"  {figures['seconds']:7.0f}  {figures['users']:5}  {figures['requests']:8,}"
                f"  {figures['failed']:6,}  {figures['rate']:10.1f}  {figures['p50']:8.3f}"
                f"  {figures['p95']:8.3f}",
                flush=True,
            )


def summary(result: Mapping[str, Any]) -> list[str]:
    """The figures of each kind of request, and why requests failed."""
    heading = ("request", "sent", "failed", "per second", "p50", "p95", "p99", "longest")
    items = [*result["login"], *result["steps"]]
    rows = [
        (
            item["name"],
            f"{item['requests']:,}",
            f"{item['failed']:,}",
            f"{item['rate']:.1f}",
            *(f"{item[key]:.3f} s" for key in ("p50", "p95", "p99", "longest")),
        )
        for item in items
    ]
    lines = ["", *columns([heading, *rows], terminal.width())]
    for item in result["failures"][:SHOWN]:
        lines.append(f"{item['count']:,} x {item['name']}: {item['why']}")
    more = len(result["failures"]) - SHOWN
    if more > 0:
        lines.append(f"and {more} other kinds of failure")
    return [*lines, ""]
