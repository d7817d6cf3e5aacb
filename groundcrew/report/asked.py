"""Whether a run writes a report, which it does however it ends."""

from __future__ import annotations

import atexit
import time
from pathlib import Path

from pyinfra.api.inventory import Inventory
from pyinfra.api.state import State

from groundcrew.record import RECORD
from groundcrew.report import paths
from groundcrew.settings.errors import SettingsError
from groundcrew.settings.load import settings_for
from groundcrew.settings.selection import parameters


def prepare(inventory: Inventory) -> None:
    """Finds out where the run's report goes. Raises SettingsError if it cannot be written there."""
    asked = {settings_for(host).settings.run.report for host in inventory} - {None}
    for path in sorted(asked)[:1]:
        problems = paths.problems(path, "report", "--data")
        if problems:
            raise SettingsError(problems)
        # pyinfra changes into other directories.
        RECORD.path = str(Path(path).expanduser().absolute())


def attach(state: State) -> None:
    """Makes this run write its report, if it is asked for."""
    if RECORD.path is not None:
        # Its models take 50 ms to import, which most runs do not need.
        from groundcrew.report import write  # noqa: PLC0415 - see above

        # The command line is no longer known when the process ends.
        atexit.register(write.at_end, state, RECORD.path, dict(parameters()), time.time())
