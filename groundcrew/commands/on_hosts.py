"""`groundcrew run`, `groundcrew shell` and `groundcrew logs`: what is done on hosts without a
playbook."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Sequence

from groundcrew.commands import everyday
from groundcrew.operator import follow, inside, inventory

STOPPED = 130
LINES = 10
"""Older lines of each log that are shown first."""


def parser(name: str, about: str) -> argparse.ArgumentParser:
    """The parser of a command's arguments."""
    top = argparse.ArgumentParser(prog=f"groundcrew {name}", description=about)
    top.add_argument("app", metavar="APP")
    everyday.add_inventory(top)
    return top


def guarded(function: Callable[[], int]) -> int:
    """The exit status of a command, whose errors are printed."""
    try:
        return function()
    except KeyboardInterrupt:
        return STOPPED
    except inventory.InventoryError as error:
        print(f"groundcrew: {error}", file=sys.stderr)
        return everyday.USAGE


def run_parser() -> argparse.ArgumentParser:
    """The parser of `groundcrew run`."""
    top = parser(
        "run",
        "Run a command as an application, on one of its hosts: in the directory, the virtualenv, "
        "the environment and the sandbox of the live release. Its exit status is the command's.",
    )
    top.add_argument("--host", help="default: the first that has APP")
    top.usage = f"{top.format_usage().removeprefix('usage: ').rstrip()} -- COMMAND ..."
    return top


def run(given: Sequence[str]) -> int:
    """`groundcrew run APP -- COMMAND`: runs a command in the live release."""
    top = run_parser()
    own, words = everyday.split(given)
    options, rest = top.parse_known_args(own)
    if rest or not words:
        top.error("the command follows after `--`, as in: groundcrew run shop -- flask routes")
    return guarded(lambda: _enter(options, words))


def shell_parser() -> argparse.ArgumentParser:
    """The parser of `groundcrew shell`."""
    top = parser(
        "shell",
        "Open a shell as an application, on one of its hosts: in the directory, the virtualenv, "
        "the environment and the sandbox of the live release.",
    )
    top.add_argument("--host", help="default: the first that has APP")
    return top


def shell(given: Sequence[str]) -> int:
    """`groundcrew shell APP`: opens a shell in the live release."""
    options = shell_parser().parse_args(given)
    return guarded(lambda: _enter(options, ()))


def logs_parser() -> argparse.ArgumentParser:
    """The parser of `groundcrew logs`."""
    top = parser("logs", "Show the logs of an application on all of its hosts.")
    top.add_argument("-f", "--follow", action="store_true", help="go on as they are written")
    top.add_argument("--limit", action="append", default=[], metavar="HOST", help="only this host")
    top.add_argument("-n", "--lines", type=int, help="lines of each log; with -f, older ones first")
    top.add_argument("--since", metavar="10m", help="not with -f: no older lines than these")
    top.add_argument("--grep", metavar="REGEX", help="with -f: only lines that it matches")
    return top


def logs(given: Sequence[str]) -> int:
    """`groundcrew logs APP`: follows its logs on all hosts with `-f`, else shows their ends."""
    top = logs_parser()
    options = top.parse_args(given)
    if options.follow and options.since:
        top.error("--since is not for -f: it shows the last --lines, and what comes")
    if options.grep and not options.follow:
        top.error("--grep is for -f")
    if options.follow:
        return guarded(lambda: _follow(top, options))
    chosen = {"lines": options.lines, "since": options.since}
    values = [f"{key}={value}" for key, value in chosen.items() if value is not None]
    words = [options.app, *(f"--limit={host}" for host in options.limit)]
    words += [f"--data={item}" for item in (*values, *options.data)]
    words += [f"--inventory={options.inventory}"] if options.inventory else []
    return everyday.run("logs", words)


def _enter(options: argparse.Namespace, words: Sequence[str]) -> int:
    hosts = inventory.hosts(inventory.chosen(options.inventory), options.data)
    host = inside.over_ssh(inside.one_host(hosts, options.app, options.host))
    print(f"groundcrew: {options.app} on {host.name}", file=sys.stderr, flush=True)
    inside.enter(host, options.app, words)


def _follow(top: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    try:
        pattern = re.compile(options.grep) if options.grep else None
    except re.error as error:
        top.error(f"--grep: {error}")
    hosts = inventory.hosts(inventory.chosen(options.inventory), options.data)
    if options.limit:
        chosen = [inside.one_host(hosts, options.app, name) for name in options.limit]
    else:
        chosen = inside.with_app(hosts, options.app)
    lines = LINES if options.lines is None else options.lines
    return follow.follow([inside.over_ssh(host) for host in chosen], options.app, lines, pattern)
