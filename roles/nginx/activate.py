"""The command that judges a new configuration and puts it into force."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from groundcrew.templates import render


def activate_command(ports: Iterable[int]) -> str:
    """A shell command that fails unless nginx accepts its files and, where it runs, serves `ports`
    by them.

    `nginx -t` does not notice a port that another program holds, and a reload that fails for it
    exits 0; without this, such a configuration would stay on disk and never be loaded.
    """
    script = render("nginx/activate.sh.j2", ports=list(ports))
    return f"sh -c {shlex.quote(script)}"
