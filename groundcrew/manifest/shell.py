"""Turns shell command lines into the main process of a unit.

systemd stops a unit with a SIGTERM to its main process (`KillMode=mixed`), which stops its own
children. So the main process must be the program itself, or a shell that forwards the signal.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from functools import cache

_AT_ONCE = frozenset((
    ":", ".", "[", "alias", "cd", "echo", "exit", "export", "false", "printf", "pwd", "readonly",
    "set", "shift", "test", "true", "type", "ulimit", "umask", "unalias", "unset",
))  # fmt: skip
"""Builtins that finish immediately, so that a signal may end the shell meanwhile."""
_NO_PROGRAM = frozenset((
    "!", "{", "}", "break", "case", "command", "continue", "do", "done", "elif", "else", "esac",
    "eval", "fi", "for", "function", "getopts", "hash", "if", "in", "local", "read", "return",
    "then", "time", "times", "trap", "until", "wait", "while",
))  # fmt: skip
"""Words that introduce several commands or no external program."""
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
_REDIRECTION = re.compile(r"(?:>>|>\||>&|<&|<>|>|<(?!<))")
_LIST = re.compile(r"&&|\|\||;(?!;)")

HANDS_ON = (
    't() { for i in $1; do n=; c=; read -r n </proc/$i/comm; if [ "$n" = sh ]; '
    'then read -r c </proc/$i/task/$i/children; t "$c"; else kill -TERM $i; fi; done; }; '
    's() { read -r n </proc/$p/comm; [ "$n" != sh ] || kill -TERM $p; t $p; wait $p; '
    "trap - TERM; kill -TERM $$; }; trap 's 2>/dev/null' TERM; "
    "(trap 'exit 143' TERM; eval \"$1\") & p=$!; wait $p; exit $?"
)
"""Runs its argument in a subshell. On SIGTERM it signals the programs of the subshell, starts no
further command and, once they have ended, ends by the signal itself, as systemd expects."""


class _UnknownError(Exception):
    """The command is more than a list of simple commands."""


def script(command: str) -> tuple[str, str | None]:
    """The script for `sh -c` that lets a SIGTERM stop the command gracefully, and its argument or
    None."""
    try:
        *first, last = _steps(command)
    except (_UnknownError, ValueError):
        return HANDS_ON, command
    final = _final(last[0])
    if final is None or not all(_word(step)[1] in _AT_ONCE for step, _ in first):
        return HANDS_ON, command
    return "".join(f"{step} {operator} " for step, operator in first) + final, None


@cache
def problem(command: str) -> str | None:
    """Why a shell rejects the command; None if it does not, or if it cannot be checked."""
    if re.search(r"(?<![&>])&\s*$", command):
        return "it must stay in the foreground: leave out the & at its end"
    try:
        done = subprocess.run(
            ["sh", "-nc", command], capture_output=True, text=True, check=False,
            stdin=subprocess.DEVNULL, env={"LC_ALL": "C"}, timeout=10,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode == 0:
        return None
    reason = (done.stderr.strip().splitlines() or ["syntax error"])[-1]
    return re.sub(r"^.*?(?=[Ss]yntax error|[Uu]nterminated|unexpected)", "", reason)


def _final(step: str) -> str | None:
    """The last command with `exec`, so that it replaces the shell; None if that is not possible."""
    assignments, word = _word(step)
    if word in _NO_PROGRAM or not word:
        return None
    if word in _AT_ONCE or word == "exec":
        return step
    return f"{assignments}exec {step[len(assignments) :]}"


def _word(step: str) -> tuple[str, str]:
    """The assignments at the start of a simple command, and its first word."""
    end = 0
    while _ASSIGNMENT.match(step, end):
        end = _word_end(step, end)
        while end < len(step) and step[end] in " \t":
            end += 1
    return step[:end], step[end : _word_end(step, end)]


def _word_end(text: str, start: int) -> int:
    for index, kind in _scan(text, start):
        if kind in ("space", "operator"):
            return index
    return len(text)


def _steps(command: str) -> list[tuple[str, str]]:
    """The simple commands of a list, each with the operator that follows. Raises _UnknownError for
    anything else."""
    steps, begin = [], 0
    skip = 0
    for index, kind in _scan(command, 0):
        if kind != "operator" or index < skip:
            continue
        redirection, end = _REDIRECTION.match(command, index), _LIST.match(command, index)
        if redirection:
            skip = redirection.end()
        elif end:
            steps.append((command[begin:index].strip(), end[0]))
            begin = skip = end.end()
        else:
            raise _UnknownError
    rest = command[begin:].strip()
    if rest or not steps:
        steps.append((rest, ""))
    if not all(step for step, _ in steps):
        raise _UnknownError
    return steps


def _scan(text: str, start: int) -> Iterator[tuple[int, str]]:
    """Positions of spaces and operators outside quotes.

    Stops at a comment. Raises ValueError if quotes are not closed.
    """
    index = start
    while index < len(text):
        character = text[index]
        if character in " \t\n":
            yield index, "space"
        elif character in ";&|()<>":
            yield index, "operator"
        elif character == "#" and (index == 0 or text[index - 1] in " \t\n;&|()"):
            return
        index = _after(text, index)


def _after(text: str, index: int) -> int:
    """The position after a character, or after the quotes or substitution that start with it."""
    character = text[index]
    if character == "\\":
        return index + 2
    if character == "'":
        return text.index("'", index + 1) + 1
    if character in '"`':
        return _closed(text, index + 1, character)
    if character == "$" and text[index + 1 : index + 2] in ("(", "{"):
        return _closed(text, index + 2, ")" if text[index + 1] == "(" else "}")
    return index + 1


def _closed(text: str, index: int, end: str) -> int:
    while text[index : index + 1] != end:
        if index >= len(text):
            raise ValueError("not closed")
        # Inside double quotes, a single quote is an ordinary character.
        single = end == '"' and text[index] == "'"
        inner = end == ")" and text[index] == "("
        index = index + 1 if single else _closed(text, index + 1, ")") if inner else (
            _after(text, index)
        )  # fmt: skip
    return index + 1
