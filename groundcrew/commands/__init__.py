"""The `groundcrew` command: tasks besides pyinfra's runs."""

from __future__ import annotations

import importlib.metadata
import os
import sys
import tomllib
from collections.abc import Callable, Sequence
from functools import partial

from groundcrew.commands import (
    completion,
    everyday,
    export,
    init,
    loadtest,
    on_hosts,
    schema,
    secrets,
)
from groundcrew.lab import cli as lab
from groundcrew.newapp import __main__ as new_app
from groundcrew.operator.playbooks import TASKS
from groundcrew.project import PACKAGE
from groundcrew.roles import audit

Command = Callable[[Sequence[str]], int]

EVERYDAY: dict[str, tuple[Command, str]] = {
    **{name: (partial(everyday.run, name), task.about) for name, task in TASKS.items()},
    "logs": (on_hosts.logs, "the logs of an application on all hosts, with -f as they come"),
    "run": (on_hosts.run, "run a command in an application's live release"),
    "shell": (on_hosts.shell, "open a shell in an application's live release"),
}
"""What is done with the hosts of an inventory."""

OTHERS: dict[str, tuple[Command, str]] = {
    "init": (init.main, "write a project of your own"),
    "new-app": (new_app.main, "write apps/NAME.yml for an application by looking at its source"),
    "lab": (lab.main, "bare Debian hosts with systemd and sshd, to try things on"),
    "secrets": (secrets.main, "secrets in an encrypted file of the project: edit, show"),
    "export": (export.main, "files of Kubernetes or Docker Swarm for an application"),
    "audit": (audit.main, "look for known vulnerabilities in packages"),
    "loadtest": (loadtest.main, "send load to an application, and judge its answers"),
    "completion": (completion.main, "complete commands and names in bash, zsh or fish"),
    "schema": (schema.main, "the JSON Schema of apps/NAME.yml, for editors"),
}

COMMANDS = {**EVERYDAY, **OTHERS}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs `groundcrew COMMAND ...` and returns its exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] in ([], ["-h"], ["--help"]):
        print(usage())
        return 0 if given else 2
    if given == ["--version"]:
        print(f"groundcrew {version()}")
        return 0
    name, *rest = given
    if name not in COMMANDS:
        print(f"groundcrew: no command {name}\n\n{usage()}", file=sys.stderr)
        return 2
    try:
        return COMMANDS[name][0](rest)
    except BrokenPipeError:
        # The reader, such as `head`, has closed the pipe; without this, Python reports the error
        # again when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def version() -> str:
    """Version of the installed package, or of the checkout."""
    try:
        return importlib.metadata.version("groundcrew")
    except importlib.metadata.PackageNotFoundError:
        text = (PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8")
        return str(tomllib.loads(text)["project"]["version"])


def usage() -> str:
    """The help text."""
    width = max(map(len, COMMANDS))
    parts = [
        [f"  {name:<{width}}  {about}" for name, (_, about) in commands.items()]
        for commands in (EVERYDAY, OTHERS)
    ]
    return "\n".join(
        [
            "usage: groundcrew COMMAND ...   (groundcrew COMMAND --help says more)",
            "",
            "With the hosts of an inventory, by pyinfra, whose own line it prints:",
            *parts[0],
            "",
            "Besides:",
            *parts[1],
        ]
    )
