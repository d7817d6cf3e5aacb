"""Runs programs as postgres.

Runs on the host as root, as part of this role's other programs. Standard library and
`groundcrew.remote` only, Python 3.9 or later.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping

from groundcrew.roles.postgresql.on_host_server import ServerError

# It ends with this program, even if that is killed.
BECOME = ("/usr/bin/setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups",
          "--pdeathsig=KILL", "--")  # fmt: skip


def as_postgres(*command: str, text: str = "", more: Mapping[str, str] | None = None) -> str:
    """Runs a command as postgres and returns its output. `more` is added to its environment. Raises
    ServerError with its messages if it fails."""
    result = subprocess.run(
        [*BECOME, *command],
        input=text,
        check=False,
        capture_output=True,
        text=True,
        errors="replace",
        cwd="/",
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", **(more or {})},
    )
    if result.returncode != 0:
        program = os.path.basename(command[0])
        raise ServerError(f"{program}: {' '.join(result.stderr.split()) or 'failed'}")
    return result.stdout
