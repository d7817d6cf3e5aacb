"""What is wrong with the settings, said so that it can be mended."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from difflib import get_close_matches

import click
from pyinfra.api.exceptions import PyinfraError
from pyinfra_cli.exceptions import CliError

HOSTS_SHOWN = 5


@dataclass(frozen=True)
class Problem:
    """One error: the key, the layer that it came from, what was expected; and what the key is
    about, where that helps."""

    key: str
    layer: str
    message: str
    hosts: tuple[str, ...] = field(default=(), compare=False)
    about: str = field(default="", compare=False)


def nearest(word: str, known: Iterable[str]) -> str:
    """The hint `; did you mean "..."?`, or the known words where none is near."""
    words = sorted({str(item) for item in known})
    matches = get_close_matches(word, words, n=1, cutoff=0.6)
    if matches:
        return f'; did you mean "{matches[0]}"?'
    return f" (known: {', '.join(words)})" if words else ""


class SettingsError(CliError, PyinfraError):  # type: ignore[misc]
    """All errors of all hosts in one report. Ends the run with exit code 1.

    As a CliError pyinfra prints it and exits, as a PyinfraError it is no crash of deploy code,
    which would be shown with its traceback.
    """

    exit_code = 1

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = combine(problems)
        super().__init__(report(self.problems))

    def show(self, file: object = None) -> None:
        """Print the report on standard error."""
        del file
        click.echo(f"\n{self.message}", err=True)


def combine(problems: Iterable[Problem]) -> list[Problem]:
    """The same error on several hosts becomes one, sorted by layer and key."""
    hosts: dict[Problem, set[str]] = {}
    for problem in problems:
        hosts.setdefault(problem, set()).update(problem.hosts)
    return [
        replace(problem, hosts=tuple(sorted(names)))
        for problem, names in sorted(hosts.items(), key=lambda item: (item[0].layer, item[0].key))
    ]


def report(problems: list[Problem]) -> str:
    """The text that a person reads."""
    count = f"{len(problems)} error{'s' if len(problems) != 1 else ''}"
    lines = [f"groundcrew: {count} in the settings; nothing was changed", ""]
    for problem in problems:
        lines.append(f"  {problem.layer}: {problem.key}")
        lines.append(f"      {problem.message}")
        if problem.about:
            lines.append(f"      ({problem.about.removesuffix('.')})")
        if problem.hosts:
            shown = ", ".join(problem.hosts[:HOSTS_SHOWN])
            more = len(problem.hosts) - HOSTS_SHOWN
            lines.append(f"      on {shown}" + (f" and {more} more" if more > 0 else ""))
    return "\n".join(lines)
