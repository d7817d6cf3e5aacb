"""Describes a program's log files to the role that rotates them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Log:
    """Log files that one program writes.

    `reopen` is a shell command that makes the program reopen its files. Without it they are copied
    and truncated in place, which can lose lines written in between. `directory_owner` is the user
    and group that may write to the directory, if that is not root. With `created` false, the
    program itself makes the new file when it reopens it: logrotate's is readable for nobody else at
    first.
    """

    name: str
    paths: tuple[str, ...]
    user: str
    group: str
    mode: str = "0640"
    reopen: str | None = None
    directory_owner: tuple[str, str] | None = None
    created: bool = True
