"""What verify reads about sudo. Runs on the host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from groundcrew.remote.commands import run

if TYPE_CHECKING:
    # Types of the report, shared with what reads it; never sent to a host.
    from groundcrew.roles.users.report import Sudo

Data = dict[str, Any]


def sudo(request: Data) -> Sudo:
    """Whether sudo's configuration is valid, and which users may use sudo."""
    syntax = run("visudo", "--check")
    may = {}
    for user in request["users"]:
        result = run("sudo", "--non-interactive", "--list", f"--other-user={user}")
        may[user] = "may run the following" in result.stdout
    return {"code": syntax.returncode, "output": syntax.stderr or syntax.stdout, "may": may}
