"""Builds the report at the end of a failed run: what, where, why, and what to do. Pure
functions."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from groundcrew.console.failures import Failure
from groundcrew.terminal import folded, line_width

SHOWN = 8
"""Maximum number of a host's own lines."""

HOSTS_SHOWN = 5

NOISE = re.compile(
    r"Error( \(ignored\))?(: executed \d+ commands?.*)?|Error in nested operation"
    r"|Traceback \(most recent call last\):?|Error: could not (load|process) fact: .*"
)

TELLING = re.compile(
    r"^E: |^the application says: |\bnot healthy |\bunhealthy |\bgave status "
    r"|\b(error|errors|failed|failure|fatal|denied|cannot|could not|unable|refused|invalid"
    r"|missing|no such|not found|no space)\b|Error\b",
    re.IGNORECASE,
)

BUILD = re.compile(r"\bbuild failed\b")
NOT_RELEASED = re.compile(r"not released: (\S+) ")

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
        r"No module named",
        "Add the module to the file that `requirements` in the manifest names; or is it the "
        "source's own, and `entry` or `app_dir` wrong?",
    ),
    (
        r"Failed to find attribute|no python application found|Error loading ASGI app",
        "`entry` in the manifest names what that module does not have.",
    ),
    (
        r"not found in the package registry|requirements are unsatisfiable",
        "Look at the file that `requirements` in the manifest names.",
    ),
    (
        r'File "([^"]+)", line (\d+)\n(?:.*\n){0,3}?\s*(?:SyntaxError|IndentationError)',
        "Fix {0} line {1} in the application's source.",
    ),
    (
        r"gave status 30[1278]",
        "It redirects. If it redirects to HTTPS behind a balancer that ends TLS, set "
        "`nginx.forwarded_proto: https` in the manifest; otherwise, set `health.path` to a page "
        "that does not, or `health.status` to this status.",
    ),
    (
        r"gave status (?!30[1278])\d+",
        "`health.path` in the manifest sets the path, `health.status` the status that it must "
        "have.",
    ),
    (
        r"socket/SSH error|Server connection dropped|Connection (reset|timed out)",
        "The connection broke. What ran there may go on; run the same again, it continues.",
    ),
)
AGAIN = "When it is fixed, run the same again: what is done is not done twice."


def report(
    failures: Sequence[Failure],
    untouched: Sequence[str] = (),
    *,
    nothing: bool = False,
    left_out: Collection[str] = (),
    wrap: bool = False,
) -> str:
    """The report; empty if nothing failed. `untouched` says what is as it was, `nothing` that it is
    everything; `left_out` are hosts without which the run went on. With `wrap`, on a terminal,
    lines are wrapped between words; in a log, a search finds them whole."""
    if not failures:
        return ""
    same: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for item in failures:
        same.setdefault((item.step, words(item.lines)), []).append(item.host)
    if all(item.host in left_out for item in failures):
        end = f"{_names(sorted(left_out))} left out; run the same again to catch up"
    else:
        end = "the run failed" + ("; nothing was changed" if nothing else "")
    lines = [f"groundcrew: {end}", ""]
    for (step, said), hosts in same.items():
        lines.append(f"  {_names(hosts)}: {step or 'the run'}")
        lines += [f"      {line}" for line in said]
    if untouched:
        lines += ["", "  As before the run:", *(f"      {line}" for line in untouched)]
    # A connection error already includes advice.
    if any(step != "connecting" for step, _ in same):
        lines += [*([""] if untouched else []), *(f"  {line}" for line in _end(same))]
    return "\n".join(map(_wrapped, lines) if wrap else lines)


def _wrapped(line: str) -> str:
    """A line that fits; what belongs to it is below, two columns further in."""
    text = line.lstrip(" ")
    indent = len(line) - len(text)
    return line[:indent] + folded(text.split(" "), line_width() - indent, 2).replace(
        "\n", f"\n{line[:indent]}"
    )


def _end(same: Mapping[tuple[str, tuple[str, ...]], list[str]]) -> list[str]:
    """The last three lines, which are read first: the cause, and what to do about it."""
    (step, said), hosts = list(same.items())[-1]
    every = [line for _, lines in same for line in lines]
    advice = " ".join(hints(every))
    apps = {match[1] for line in every if (match := NOT_RELEASED.match(line))}
    if len(apps) == 1:
        advice = advice.replace("the manifest", f"apps/{apps.pop()}.yml")
    lines = [advice] if advice else []
    if len(said) > 1:
        lines.insert(0, f"{_names(hosts)}: {step or 'the run'}: {cause(said)}")
    return [*lines, AGAIN]


def cause(said: Sequence[str]) -> str:
    """The cause on one line: the last line that mentions an error, else the last line; for a build,
    the step that failed and its message."""
    telling = [line.strip() for line in said if TELLING.search(line)] or [said[-1].strip()]
    if BUILD.search(telling[-1]) and len(telling) > 1:
        return f"{telling[-1]}: {telling[-2]}"
    return telling[-1]


def words(lines: Sequence[str]) -> tuple[str, ...]:
    """The informative lines; if there are many, those that mention an error, and the last ones."""
    told = [line.rstrip() for line in lines if line.strip() and not NOISE.fullmatch(line.strip())]
    if len(told) <= SHOWN:
        return tuple(told)
    errors = [index for index, line in enumerate(told) if TELLING.search(line)]
    chosen = {*errors[-SHOWN // 2 :], *range(len(told) - SHOWN // 2, len(told))}
    return tuple(told[index] for index in sorted(chosen))


def hints(lines: Iterable[str]) -> list[str]:
    """Advice on known errors in these lines."""
    # A probe's response says nothing about the operator's own connection.
    text = "\n".join(line for line in lines if "last answer: " not in line)
    matches = ((re.search(pattern, text), hint) for pattern, hint in HINTS)
    return [hint.format(*match.groups()) for match, hint in matches if match]


def interrupted(running: Mapping[str, str]) -> str:
    """The report of a run that was stopped by hand, with each host's current step."""
    lines = ["groundcrew: stopped by you", ""]
    lines += [f"  {host}: was at: {step}" for host, step in running.items()]
    text = "A command that runs there may go on to its end; nothing new begins. " if running else ""
    text += (
        "What served goes on serving, except what the run had stopped already. Run the same again: "
        "it continues."
    )
    return "\n".join([*lines, "", f"  {text}"])


def _names(hosts: Sequence[str]) -> str:
    more = len(hosts) - HOSTS_SHOWN
    return ", ".join(hosts[:HOSTS_SHOWN]) + (f" and {more} more" if more > 0 else "")
