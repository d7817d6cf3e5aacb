"""What verify reads about log rotation. Runs on the host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from groundcrew.remote.commands import run

if TYPE_CHECKING:
    # Types of the report, shared with what reads it; never sent to a host.
    from groundcrew.roles.logrotate.report import DryRun

Data = dict[str, Any]


def logrotate(_: Data) -> DryRun:
    """Exit status and errors of a dry run over the whole configuration."""
    result = run("logrotate", "--debug", "/etc/logrotate.conf")
    errors = [line for line in result.stderr.splitlines() if line.startswith("error:")]
    return {"code": result.returncode, "errors": errors}
