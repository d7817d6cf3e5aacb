"""Whether an application can run with a version of Python.

Used on the operator's machine and by the build on the host. Standard library only, Python 3.9 or
later.
"""

from __future__ import annotations

import re

_CLAUSE = re.compile(r"^(~=|===?|!=|<=?|>=?)\s*v?([0-9]+(?:\.[0-9]+)*)(\.\*)?")


def interpreter_problem(wanted: str | None, requires: str | None, found: str | None) -> str | None:
    """Why the interpreter of version `found` does not do; None where it does.

    `wanted` is the application's `python`, `requires` its project's `requires-python`; `found` is
    None where the host has none.
    """
    if found is None:
        return f"Python {wanted or ''} is not there".replace("  ", " ")
    if wanted and not _begins(_numbers(found), _numbers(wanted)):
        return f"Python {wanted} is wanted (`python`), found is {found}"
    if requires and not satisfies(found, requires):
        hint = "" if wanted else "; name a version that does in `python`"
        return f"its pyproject.toml requires Python {requires}, found is {found}{hint}"
    return None


def satisfies(version: str, requires: str) -> bool:
    """Whether a final version is one that a `requires-python` allows."""
    number = _numbers(version)
    return all(_fits(number, clause.strip()) for clause in requires.split(",") if clause.strip())


def may_satisfy(wanted: str, requires: str) -> bool:
    """Whether a version that is named in two or three parts can be one that is allowed."""
    return any(satisfies(f"{wanted}{patch}", requires) for patch in ("", ".99"))


def _fits(number: tuple[int, ...], clause: str) -> bool:
    match = _CLAUSE.match(clause)
    if not match:
        # What this does not understand, the installer does.
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
