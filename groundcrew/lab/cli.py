"""The command line of `bin/lab`."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
from collections.abc import Sequence

from groundcrew.lab import hosts, ssh
from groundcrew.lab.model import Host, parse_ports
from groundcrew.lab.plan import Request
from groundcrew.lab.process import STARTED, LabError, say
from groundcrew.lab.recipe import SUITES
from groundcrew.project import program

AUTO = "auto"


def parser() -> argparse.ArgumentParser:
    """Return the parser of `bin/lab`'s arguments."""
    top = argparse.ArgumentParser(
        prog=program("lab"),
        description="Bare Debian hosts with systemd and sshd, to try things on.",
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in (
        ("up", "start hosts (what runs already stays as it is)"),
        ("reset", "replace hosts by fresh ones"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("names", nargs="+", metavar="NAME")
        command.add_argument("--suite", choices=SUITES, help="Debian 12 or 13 (default: bookworm)")
        command.add_argument(
            "--group", help="its groups in the inventory, separated by commas (default: web)"
        )
        command.add_argument(
            "--vm",
            action="store_true",
            help="virtual machines with a kernel of their own (QEMU), not containers",
        )
        command.add_argument(
            "--publish",
            nargs="?",
            const=AUTO,
            metavar="HTTP:HTTPS",
            help="publish its 80 and 443 on 127.0.0.1, on free ports unless given "
            "(a virtual machine's always are)",
        )
    down = commands.add_parser("down", help="remove hosts (without a name: all of this lab)")
    down.add_argument("names", nargs="*", metavar="NAME")
    listing = commands.add_parser("list", help="show the hosts")
    listing.add_argument("--json", action="store_true", help="for machines")
    shell = commands.add_parser("ssh", help="open a shell on a host, or run a command there")
    shell.add_argument("--user", help="log in as (default: who works: root, deploy once deployed)")
    shell.add_argument("name", metavar="NAME")
    shell.add_argument("remote", nargs=argparse.REMAINDER, metavar="COMMAND")
    return top


def normalise(arguments: Sequence[str]) -> list[str]:
    """Expand `--publish NAME` to `--publish=auto NAME`, as the ports are optional (pure)."""
    result: list[str] = []
    for index, argument in enumerate(arguments):
        if argument == "ssh" and not result:
            return list(arguments)
        following = arguments[index + 1] if index + 1 < len(arguments) else ""
        bare = argument == "--publish" and not re.fullmatch(r"\d+:\d+", following)
        result.append(f"--publish={AUTO}" if bare else argument)
    return result


def main(arguments: Sequence[str]) -> int:
    """Run `bin/lab`; return the exit code: 0, or 1 with one clear message."""
    options = parser().parse_args(normalise(arguments))
    try:
        return _run(options)
    except LabError as error:
        print(f"{program('lab')}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{program('lab')}: interrupted", file=sys.stderr)
        return 130


def _run(options: argparse.Namespace) -> int:
    if options.command in ("up", "reset"):
        _up(options)
    elif options.command == "down":
        _down(options)
    elif options.command == "ssh":
        _ssh(options.name, options.user, options.remote)
    else:
        _list(as_json=options.json)
    return 0


def _up(options: argparse.Namespace) -> None:
    chosen = options.publish if options.publish not in (None, AUTO) else None
    request = Request(
        names=tuple(options.names),
        suite=options.suite,
        group=options.group,
        publish=options.publish is not None,
        ports=parse_ports(chosen) if chosen else None,
        fresh=options.command == "reset",
        vm=options.vm,
    )
    _print_table(hosts.up(request))
    say(f"ready in {time.monotonic() - STARTED:.1f} s")


def _down(options: argparse.Namespace) -> None:
    removed = hosts.down(options.names)
    say(f"removed {', '.join(removed)}" if removed else "there is no lab host")


def _list(*, as_json: bool) -> None:
    existing = hosts.existing()
    if as_json:
        print(json.dumps([host.as_dict() for host in existing], indent=2))
    elif existing:
        _print_table(existing)
    else:
        print(f"no lab host; start one with {program('lab')} up web1", file=sys.stderr)


def _print_table(listed: Sequence[Host]) -> None:
    rows = [("NAME", "KIND", "SUITE", "GROUP", "STATE", "ADDRESS", "ON 127.0.0.1")]
    rows += [
        (
            host.name,
            "vm" if host.vm else "container",
            host.suite,
            host.group,
            "running" if host.running else "stopped",
            host.address or "-",
            published(host),
        )
        for host in listed
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        )


def published(host: Host) -> str:
    """Return the ports of a host that are published on 127.0.0.1, as text (pure)."""
    ports = [("ssh", host.ssh_port if host.vm else None)]
    ports += [("http", host.http_port), ("https", host.https_port)]
    return ", ".join(f"{name} {port}" for name, port in ports if port) or "-"


def _ssh(name: str, user: str | None, remote: Sequence[str]) -> None:
    """Replace this process by ssh."""
    host = hosts.find(name)
    ssh.ensure_client()
    user = user or hosts.login_user(host)
    os.execvp("ssh", ssh.ssh_command(host.address, user, remote, host.ssh_port))  # noqa: S606 - no shell wanted
