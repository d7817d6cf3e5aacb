"""What an application does besides answering requests."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from groundcrew.apps.resources import Limits
from groundcrew.apps.restart import Restart
from groundcrew.apps.schedule import schedule
from groundcrew.apps.types import Command, one_line
from groundcrew.model import Settings


class Worker(Settings):
    """A background process that follows the release: started after the switch, and the old one
    may finish what it does."""

    command: Command
    """Command line of a shell (`cd jobs && MODE=bulk prog`), run in the release's directory with
    its virtualenv first in PATH."""

    instances: int = Field(1, ge=1, le=64)
    """Processes; each has its number, from 1, in WORKER_INSTANCE."""

    stop_timeout: int = Field(60, ge=1)
    """Seconds that it gets after SIGTERM to finish its job; then it is killed."""

    restart: Restart = Restart()
    """When it is started again."""

    single: bool = False
    """One process over all hosts, where only one may write: on the first host of the inventory that
    has the application, and not before the one of the release before has ended."""

    limits: Limits = Limits()
    """Resource limits of each instance."""

    @model_validator(mode="after")
    def _single_is_one(self) -> Worker:
        if self.single and self.instances != 1:
            raise ValueError(f"single: true is one process, instances says {self.instances}")
        return self


class Timer(Settings):
    """A command that runs by the clock and follows the release."""

    command: Command
    """Command line of a shell (`cd jobs && MODE=bulk prog`), run in the release's directory with
    its virtualenv first in PATH."""

    schedule: Annotated[str, AfterValidator(one_line), AfterValidator(schedule)]
    """When, as systemd's OnCalendar: `daily`, `Mon..Fri 02:30`, `*:0/15` (every 15 minutes); with a
    time zone at its end, else in the host's."""

    timeout: int = Field(3600, ge=1)
    """Seconds after which a run is stopped."""

    single: bool = False
    """Runs on one host only: on the first of the inventory that has the application, and one run at
    a time, also over releases. Otherwise it runs on each host."""

    limits: Limits = Limits()
    """Resource limits of a run."""
