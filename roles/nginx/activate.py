"""The command that tests a new nginx configuration and loads it."""

from __future__ import annotations

import shlex

from groundcrew.templates import render


def activate_command() -> str:
    """A shell command that fails unless nginx accepts its configuration and, if it runs, loads it.

    `nginx -t` does not notice a port that another program holds, and a reload that fails because of
    it exits 0. Without this command such a configuration would stay on disk and never be loaded.
    """
    return f"sh -c {shlex.quote(render('nginx/activate.sh.j2'))}"
