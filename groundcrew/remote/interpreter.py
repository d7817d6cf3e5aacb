"""Checks whether an application can run with a version of Python, and finds an interpreter.

Used on the operator's machine and by the build on the host. Standard library only, Python 3.9 or
later.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from subprocess import CompletedProcess
from typing import Any

INTERPRETERS = "/opt/groundcrew/python"
"""Directory of interpreters that uv downloads. All applications share them; none can change
them."""
Capture = Callable[[list[str], dict[str, str]], "CompletedProcess[str]"]

_CLAUSE = re.compile(r"^(~=|===?|!=|<=?|>=?)\s*v?([0-9]+(?:\.[0-9]+)*)(\.\*)?")


class InterpreterError(Exception):
    """There is no suitable interpreter; the message says what is missing."""


def find_interpreter(
    asked: dict[str, Any],
    uv: str,
    environment: dict[str, str],
    capture: Capture,
    *,
    fetch: bool = True,
) -> tuple[str, str | None]:
    """Path and version of the interpreter for an application: the host's default if it is suitable,
    else another one on the host, else one that uv downloads, unless `fetch` is false.

    `asked`: {"interpreter": the host's default, "wanted", "requires", "mirror"}; `capture` runs a
    command as root. Raises InterpreterError.
    """
    path, wanted = asked["interpreter"], asked["wanted"]
    version = _version(path, capture)
    if wanted and interpreter_problem(wanted, None, version):
        path = _other(wanted, asked["mirror"], uv, environment, capture, fetch=fetch)
        version = _version(path, capture)
    problem = interpreter_problem(wanted, asked["requires"], version)
    if problem:
        raise InterpreterError(problem)
    return path, version


def _other(
    wanted: str,
    mirror: str | None,
    uv: str,
    environment: dict[str, str],
    capture: Capture,
    *,
    fetch: bool,
) -> str:
    own = {
        **{
            key: environment[key]
            for key in environment
            if key not in ("VIRTUAL_ENV", "UV_CACHE_DIR")
        },
        "HOME": "/root",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "UV_PYTHON_INSTALL_DIR": INTERPRETERS,
        "UV_PYTHON_PREFERENCE": "system",
    }
    find = [uv, "python", "find", "--no-project", "--no-cache", wanted]
    result = capture(find, own)
    if result.returncode != 0:
        if not fetch:
            raise InterpreterError(f"needs Python {wanted} (`python`): the host has none")
        install = [uv, "python", "install", "--no-bin", "--no-cache", wanted]
        install += ["--mirror", mirror] if mirror else []
        fetched = capture(install, {**own, "UV_PYTHON_DOWNLOADS": "manual"})
        if fetched.returncode != 0:
            reason = " ".join(fetched.stderr.split()) or f"exit status {fetched.returncode}"
            raise InterpreterError(
                f"needs Python {wanted} (`python`): the host has none, and uv cannot fetch it "
                f"(`python.install_mirror`): {reason}"
            )
        result = capture(find, own)
    return result.stdout.strip()


def _version(interpreter: str, capture: Capture) -> str | None:
    program = "import platform; print(platform.python_version())"
    try:
        done = capture([interpreter, "-ISc", program], {"PATH": "/usr/bin:/bin"})
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def interpreter_problem(
    wanted: str | None, requires: str | None, version: str | None
) -> str | None:
    """Why an interpreter is not suitable; None if it is.

    `wanted` is the application's `python`, `requires` its project's `requires-python`; `version` is
    None if the host has no interpreter.
    """
    if version is None:
        return f"Python {wanted or ''} is not there".replace("  ", " ")
    if wanted and not _begins(_numbers(version), _numbers(wanted)):
        return f"needs Python {wanted} (`python`), but the host has {version}"
    if requires and not satisfies(version, requires):
        hint = "" if wanted else "; name a version that does in `python`"
        return f"its pyproject.toml requires Python {requires}, but the host has {version}{hint}"
    return None


def satisfies(version: str, requires: str) -> bool:
    """Whether a final version satisfies a `requires-python`."""
    number = _numbers(version)
    return all(_fits(number, clause.strip()) for clause in requires.split(",") if clause.strip())


def may_satisfy(wanted: str, requires: str) -> bool:
    """Whether a version given in two or three parts may satisfy a `requires-python`."""
    return any(satisfies(f"{wanted}{patch}", requires) for patch in ("", ".99"))


def _fits(number: tuple[int, ...], clause: str) -> bool:
    match = _CLAUSE.match(clause)
    if not match:
        # Clauses that are not understood here are left to the installer.
        return True
    operator, text, star = match.groups()
    bound = _numbers(text)
    if operator == "~=":
        return _padded(number) >= _padded(bound) and _begins(number, bound[:-1])
    if operator in ("==", "===", "!="):
        equal = _begins(number, bound) if star else _padded(number) == _padded(bound)
        return equal != (operator == "!=")
    left, right = _padded(number), _padded(bound)
    return {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[
        operator
    ]


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"[0-9]+", text.partition("+")[0])[:3])


def _begins(number: tuple[int, ...], prefix: tuple[int, ...]) -> bool:
    return number[: len(prefix)] == prefix


def _padded(number: tuple[int, ...]) -> tuple[int, ...]:
    return (*number, 0, 0, 0)[:3]
