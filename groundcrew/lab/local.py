"""The local machine as a host. The operator must confirm first, as the run changes it for good."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Mapping

from groundcrew.lab.process import LabError

VARIABLE = "GROUNDCREW_LOCAL"

WARNING = """\
This run changes the machine it runs on ({hostname}) as it would change a server:
  - packages are installed, security upgrades become automatic, time zone and kernel settings set
  - the user `deploy` may become root with its SSH key; SSH refuses passwords and root
  - the firewall closes every port that no role declares
  - nginx takes ports 80 and 443; applications are installed in /srv
Do this on a disposable virtual machine only.
"""


def confirm(
    environment: Mapping[str, str] | None = None,
    ask: Callable[[str], str] = input,
    *,
    terminal: bool | None = None,
) -> None:
    """Ask whether this machine may be changed. Raises `LabError` unless the answer is yes.

    `GROUNDCREW_LOCAL=yes` in the environment answers in advance, which is required without a
    terminal. A yes is stored there, as pyinfra may read the inventory more than once.
    """
    environment = os.environ if environment is None else environment
    terminal = sys.stdin.isatty() if terminal is None else terminal
    if environment.get(VARIABLE) == "yes":
        return
    warning = WARNING.format(hostname=socket.gethostname())
    if not terminal:
        raise LabError(f"{warning}There is no terminal to ask on: set {VARIABLE}=yes to allow it.")
    print(warning, file=sys.stderr)
    try:
        answer = ask("Type yes to go on: ")
    except EOFError:
        answer = ""
    if answer.strip().lower() != "yes":
        raise LabError("not confirmed; nothing was changed")
    os.environ[VARIABLE] = "yes"
