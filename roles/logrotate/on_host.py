"""What verify reads about log rotation. Runs on the host."""

from __future__ import annotations

from typing import Any

from groundcrew.remote.commands import run

Data = dict[str, Any]


def logrotate(_: Data) -> Data:
    """Exit status and errors of a dry run over the whole configuration."""
    result = run("logrotate", "--debug", "/etc/logrotate.conf")
    errors = [line for line in result.stderr.splitlines() if line.startswith("error:")]
    return {"code": result.returncode, "errors": errors}
