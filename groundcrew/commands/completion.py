"""`groundcrew completion`: what bash, zsh and fish complete. shtab writes the scripts."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence

import shtab

from groundcrew.commands import everyday, export, init, loadtest, on_hosts, secrets
from groundcrew.lab import cli as lab
from groundcrew.newapp import __main__ as new_app
from groundcrew.operator import inventory
from groundcrew.operator.playbooks import TASKS
from groundcrew.project import ROOT
from groundcrew.roles import audit
from groundcrew.roles.settings import HostSettings
from groundcrew.settings import manifests

SHELLS = ("bash", "zsh", "fish")
ABOUT = "Print what completes commands, options, applications and hosts in a shell."

OTHERS: Mapping[str, Callable[[], argparse.ArgumentParser]] = {
    "run": on_hosts.run_parser,
    "shell": on_hosts.shell_parser,
    "logs": on_hosts.logs_parser,
    "secrets": secrets.parser,
    "init": init.parser,
    "new-app": new_app.parser,
    "lab": lab.parser,
    "export": export.parser,
    "audit": audit.parser,
    "loadtest": loadtest.parser,
}
"""The parsers of commands that are no playbooks."""


def names() -> Mapping[str, Callable[[], Sequence[str]]]:
    """What the scripts ask for while somebody types: applications, hosts and roles of the
    project."""
    return {
        "apps": lambda: manifests.names(ROOT),
        "hosts": lambda: sorted(inventory.hosts(inventory.chosen(None), ())),
        "roles": lambda: HostSettings().roles,
    }


def parser() -> argparse.ArgumentParser:
    """The parser of the command's arguments."""
    top = argparse.ArgumentParser(prog="groundcrew completion", description=ABOUT)
    top.add_argument("shell", metavar="bash|zsh|fish", choices=SHELLS)
    return top


def main(given: Sequence[str]) -> int:
    """Prints the script, or names, and returns the exit status."""
    asked = names().get(given[0]) if given else None
    if asked is None:
        print(shtab.complete(whole(), shell=parser().parse_args(given).shell))
        return 0
    try:
        print("\n".join(asked()))
    except inventory.InventoryError:
        # Nobody reads errors while they type.
        return 1
    return 0


def whole() -> argparse.ArgumentParser:
    """One parser of all commands."""
    top = argparse.ArgumentParser(prog="groundcrew", add_help=False)
    commands = top.add_subparsers()
    for name, one in parsers():
        about = one.description or name
        commands.add_parser(name, parents=[one], add_help=False, description=about, help=about)
        complete(one)
    return top


def parsers() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every command and its parser."""
    for name, task in TASKS.items():
        if name not in OTHERS:
            yield name, everyday.parser(name, task)
    for name, make in OTHERS.items():
        yield name, make()
    yield "completion", parser()
    yield "schema", argparse.ArgumentParser(prog="groundcrew schema")


def complete(one: argparse.ArgumentParser) -> None:
    """Says what the arguments of a parser are."""
    ask = "groundcrew completion {} 2>/dev/null"
    for action in one._actions:
        if isinstance(action, argparse._SubParsersAction):
            for nested in action.choices.values():
                complete(nested)
        words = {action.dest, *action.option_strings}
        if words & {"app", "--app"}:
            action.complete = shtab.cmd(ask.format("apps"))  # type: ignore[attr-defined]
        elif words & {"--limit", "--host"}:
            action.complete = shtab.cmd(ask.format("hosts"))  # type: ignore[attr-defined]
        elif words & {"--only", "--skip"}:
            action.complete = shtab.cmd(ask.format("roles"))  # type: ignore[attr-defined]
        elif words & {"--inventory", "--json", "--output", "--report", "--file", "directory"}:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
