"""The end of a failed run in a few lines: what, where, why, and what to do. Pure."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence

from groundcrew.console.failures import Failure

SHOWN = 8
"""Lines of a host's own words."""

HOSTS_SHOWN = 5

NOISE = re.compile(
    r"Error( \(ignored\))?(: executed \d+ commands?.*)?|Error in nested operation"
    r"|Traceback \(most recent call last\):?|Error: could not (load|process) fact: .*"
)

TELLING = re.compile(
    r"^E: |\b(error|errors|failed|failure|fatal|denied|cannot|could not|unable|refused|invalid"
    r"|missing|no such|not found|no space)\b|Error\b",
    re.IGNORECASE,
)

HINTS: tuple[tuple[str, str], ...] = (
    (r"No space left on device", "Free some space on the host, then run the same again."),
    (
        r"[Cc]ould not get lock|is another process using it",
        "Another program installs packages there; wait, or see which: ps aux | grep -e apt -e dpkg",
    ),
    (
        r"Temporary failure (in name resolution|resolving)|Could not resolve",
        "The host resolves no names: look at its /etc/resolv.conf and its way out.",
    ),
    (
        r"sudo: (a password is required|.*terminal is required)",
        "sudo asks for a password there: give it with --use-sudo-password.",
    ),
    (r"not in the sudoers file|may not run sudo", "This user may not become root there."),
    (
        r"socket/SSH error|Server connection dropped|Connection (reset|timed out)",
        "The connection broke. What ran there may go on; run the same again, it continues.",
    ),
)
AGAIN = "When it is mended, run the same again: what is done is not done twice."


def report(failures: Sequence[Failure], width: int = 80) -> str:
    """The text, not wider than `width`; empty where nothing failed."""
    if not failures:
        return ""
    same: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for item in failures:
        same.setdefault((item.step, words(item.lines)), []).append(item.host)
    lines = ["groundcrew: the run failed", ""]
    for (step, said), hosts in same.items():
        lines += _wrapped(f"{_names(hosts)}: {step or 'the run'}", "  ", width)
        for line in said:
            lines += _wrapped(line, "      ", width)
    steps = hints(line for item in failures for line in item.lines)
    connecting = all(step == "connecting" for step, _ in same)
    lines += ["", *[part for text in steps for part in _wrapped(text, "  ", width)]]
    if not connecting:
        lines += _wrapped(AGAIN, "  ", width)
    return "\n".join(lines).rstrip()


def words(lines: Sequence[str]) -> tuple[str, ...]:
    """The lines that say something: of many, those that speak of an error, and the last."""
    told = [line.rstrip() for line in lines if line.strip() and not NOISE.fullmatch(line.strip())]
    if len(told) <= SHOWN:
        return tuple(told)
    errors = [index for index, line in enumerate(told) if TELLING.search(line)]
    chosen = {*errors[-SHOWN // 2 :], *range(len(told) - SHOWN // 2, len(told))}
    return tuple(told[index] for index in sorted(chosen))


def hints(lines: Iterable[str]) -> list[str]:
    """What to do about what these lines say, as far as it is known."""
    text = "\n".join(lines)
    return [hint for pattern, hint in HINTS if re.search(pattern, text)]


def interrupted(running: Mapping[str, str], width: int = 80) -> str:
    """The end of a run that was stopped by hand, by what hosts were at."""
    lines = ["groundcrew: stopped by you", ""]
    for host, step in running.items():
        lines += _wrapped(f"{host}: was at: {step}", "  ", width)
    text = "A command that runs there may go on to its end; nothing new begins. " if running else ""
    text += "What served goes on serving. Run the same again: it continues."
    return "\n".join([*lines, "", *_wrapped(text, "  ", width)])


def _names(hosts: Sequence[str]) -> str:
    more = len(hosts) - HOSTS_SHOWN
    return ", ".join(hosts[:HOSTS_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _wrapped(text: str, indent: str, width: int) -> list[str]:
    if text.startswith("  "):
        # A command, to be copied.
        return [indent + text]
    return textwrap.wrap(
        text,
        max(width, 40),
        initial_indent=indent,
        subsequent_indent=indent + "  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
