"""Errors in the settings, reported so that the operator can correct them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from difflib import get_close_matches

import click
from pyinfra.api.exceptions import PyinfraError
from pyinfra_cli.exceptions import CliError

from groundcrew.record import RECORD
from groundcrew.settings.merge import DEFAULTS

HOSTS_SHOWN = 5
KEYS_SHOWN = 3
FOR_ALL = "group_data/all.py"
"""File in which a default is changed for all hosts."""


@dataclass(frozen=True)
class Problem:
    """One error: the key, the layer that it came from, what was expected, and what the key is
    about, if that helps."""

    key: str
    layer: str
    message: str
    hosts: tuple[str, ...] = field(default=(), compare=False)
    about: str = field(default="", compare=False)


def nearest(word: str, known: Iterable[str]) -> str:
    """The hint `; did you mean "..."?`, or the known words if none is similar."""
    words = sorted({str(item) for item in known})
    matches = get_close_matches(word, words, n=1, cutoff=0.6)
    if matches:
        return f'; did you mean "{matches[0]}"?'
    return f" (known: {', '.join(words)})" if words else ""


class SettingsError(CliError, PyinfraError):  # type: ignore[misc]
    """All errors of all hosts in one report. Ends the run with exit code 1.

    It is a CliError, so that pyinfra prints it and exits, and a PyinfraError, so that it does not
    count as a crash of deploy code, which pyinfra would show with its traceback.
    """

    exit_code = 1

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = combine(problems)
        super().__init__(report(self.problems))

    def show(self, file: object = None) -> None:
        """Prints the report on standard error."""
        del file
        RECORD.error = self.message
        click.echo(f"\n{self.message}", err=True)


def combine(problems: Iterable[Problem]) -> list[Problem]:
    """Combines the same error on several hosts into one; sorted by layer and key."""
    hosts: dict[Problem, set[str]] = {}
    for problem in problems:
        hosts.setdefault(problem, set()).update(problem.hosts)
    return [
        replace(problem, hosts=tuple(sorted(names)))
        for problem, names in sorted(hosts.items(), key=lambda item: (item[0].layer, item[0].key))
    ]


def report(problems: list[Problem]) -> str:
    """The text of the report. It is read from the end: the last line says what to correct, and
    where."""
    count = f"{len(problems)} error{'s' if len(problems) != 1 else ''}"
    lines = [f"groundcrew: {count} in the settings; nothing was changed", ""]
    for problem in problems:
        lines.append(f"  {problem.layer}: {problem.key}")
        lines.append(f"      {problem.message}")
        about = f"({problem.about.removesuffix('.')})" if problem.about else ""
        more = len(problem.hosts) - HOSTS_SHOWN
        hosts = ", ".join(problem.hosts[:HOSTS_SHOWN]) + (f" and {more} more" if more > 0 else "")
        rest = " ".join([*filter(None, [about]), *([f"on {hosts}"] if hosts else [])])
        if rest:
            lines.append(f"      {rest}")
    return "\n".join([*lines, f"  {_step(problems)}"])


def _step(problems: list[Problem]) -> str:
    """The next step for all problems."""
    places = (FOR_ALL if item.layer == DEFAULTS else item.layer for item in problems)
    layers = list(dict.fromkeys(places))
    shown = ", ".join(layers[:HOSTS_SHOWN])
    shown += f" and {len(layers) - HOSTS_SHOWN} more" if len(layers) > HOSTS_SHOWN else ""
    keys = list(dict.fromkeys(problem.key for problem in problems))
    what = ", ".join(keys[:KEYS_SHOWN])
    what += f" and {len(keys) - KEYS_SHOWN} more" if len(keys) > KEYS_SHOWN else ""
    return f"Fix {what} ({shown}), then run the same again."
