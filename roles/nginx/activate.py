"""The command that judges a new configuration and puts it into force."""

from __future__ import annotations

import shlex

from groundcrew.templates import render


def activate_command() -> str:
    """A shell command that fails unless nginx accepts its files and, where it runs, loads them.

    `nginx -t` does not notice a port that another program holds, and a reload that fails for it
    exits 0; without this, such a configuration would stay on disk and never be loaded.
    """
    return f"sh -c {shlex.quote(render('nginx/activate.sh.j2'))}"
