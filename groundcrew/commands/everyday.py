"""`groundcrew deploy`, `groundcrew release shop` and the like: playbooks by their names."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from typing import NoReturn

from groundcrew.operator import inventory
from groundcrew.operator.playbooks import TASKS, Task, arguments, data
from groundcrew.project import ROOT

USAGE = 2
OUTPUT = (
    ("-q", "quiet", "print failures and the table of hosts"),
    ("-v", "verbose", "print all that pyinfra prints"),
)


def add_inventory(top: argparse.ArgumentParser) -> None:
    """Adds the options that all commands on an inventory have."""
    top.add_argument(
        "-i",
        "--inventory",
        metavar="PATH",
        help=f"default: {inventory.VARIABLE} of the environment, or {inventory.DEFAULT}",
    )
    top.add_argument(
        "--data", action="append", default=[], metavar="KEY=VALUE", help="as pyinfra's"
    )


def parser(name: str, task: Task) -> argparse.ArgumentParser:
    """The parser of a command's arguments."""
    top = argparse.ArgumentParser(
        prog=f"groundcrew {name}",
        description=f"{task.about[0].upper()}{task.about[1:]}.",
        epilog=f"Runs {task.file} with pyinfra. Options of pyinfra follow after `--`.",
    )
    for word in task.words:
        top.add_argument(
            word.key,
            metavar=word.name,
            nargs=None if word.required else "?",
            choices=word.choices or None,
        )
    add_inventory(top)
    top.add_argument("--limit", action="append", default=[], metavar="HOST", help="as pyinfra's")
    if task.asks:
        top.add_argument("--dry", action="store_true", help="show what would change, and end")
        top.add_argument("--diff", action="store_true", help="show changed files line by line")
        top.add_argument("-y", "--yes", action="store_true", help="do not ask")
    if task.roles:
        top.add_argument("--only", metavar="ROLE,...", help="work on these roles alone")
        top.add_argument("--skip", metavar="ROLE,...", help="leave out these roles")
    for word in task.options:
        if word.choices:
            top.add_argument(f"--{word.name}", dest=word.key, action="store_const", const="true")
        else:
            top.add_argument(f"--{word.name}", dest=word.key, metavar="KEY")
    amount = top.add_mutually_exclusive_group()
    for option, kind, about in OUTPUT:
        amount.add_argument(
            option, f"--{kind}", dest="output", action="store_const", const=kind, help=about
        )
    top.add_argument("--report", metavar="PATH", help="write a report of the run: PATH.html")
    if task.json_key:
        top.add_argument("--json", metavar="PATH", help="write the result as JSON; `-` prints it")
    return top


def line(name: str, given: Sequence[str]) -> list[str]:
    """pyinfra's arguments for a command. Raises InventoryError."""
    task = TASKS[name]
    own, more = split(given)
    options = parser(name, task).parse_args(own)
    words = {
        word.key: value
        for word in (*task.words, *task.options)
        if (value := getattr(options, word.key)) is not None
    }
    more = [word for host in options.limit for word in ("--limit", host)] + more
    if getattr(options, "diff", False):
        more.insert(0, "--diff")
    for key in ("only", "skip") if task.roles else ():
        if (names := getattr(options, key)) is not None:
            words[key] = names
    if options.output:
        words["output"] = options.output
    if options.report:
        words["report"] = options.report
    values = data(task, words, options.data, getattr(options, "json", None))
    yes, dry = getattr(options, "yes", False), getattr(options, "dry", False)
    return [
        inventory.chosen(options.inventory),
        *arguments(task, yes=yes, dry=dry, values=values, more=more),
    ]


def split(given: Sequence[str]) -> tuple[list[str], list[str]]:
    """What is before `--`, and what follows."""
    words = list(given)
    if "--" not in words:
        return words, []
    at = words.index("--")
    return words[:at], words[at + 1 :]


def run(name: str, given: Sequence[str]) -> int:
    """Runs the playbook in place of this process; returns only if that cannot be done."""
    try:
        path, file, *rest = line(name, given)
        if not (ROOT / file).is_file():
            raise inventory.InventoryError(
                f"{ROOT / file} does not exist: `groundcrew init {shlex.quote(str(ROOT))}` writes "
                "what is missing, and changes nothing that is there"
            )
    except inventory.InventoryError as error:
        print(f"groundcrew: {error}", file=sys.stderr)
        return USAGE
    return become(path, file, rest)


def become(path: str, file: str, rest: Sequence[str]) -> NoReturn:
    """Prints pyinfra's command line and replaces this process by it."""
    print(f"$ pyinfra {shlex.join([path, file, *rest])}", file=sys.stderr, flush=True)
    os.chdir(ROOT)
    command = inventory.pyinfra(path, [file, *rest])
    os.execv(command[0], command)  # noqa: S606 - all arguments are separate
