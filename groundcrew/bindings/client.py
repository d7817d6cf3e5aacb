"""Opens a server's own client for a need, as the administrator, over SSH."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any, NoReturn

from groundcrew.ssh_command import ssh_command


def open_client(name: str, data: Mapping[str, Any], client: list[str]) -> NoReturn:
    """Replaces this process by the client. Without a terminal, it reads standard input."""
    command = ssh_command(name, data, client, terminal=sys.stdin.isatty())
    os.execvp(command[0], command)  # noqa: S606 - all arguments are separate
