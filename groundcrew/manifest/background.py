"""Settings of workers and timers."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from groundcrew.manifest.resources import Limits
from groundcrew.manifest.restart import Restart
from groundcrew.manifest.schedule import schedule
from groundcrew.manifest.types import Command, one_line
from groundcrew.model import Settings, WrongValueError


class Worker(Settings):
    """A background process of the release: the new one starts after the switch, and the old one may
    finish its work."""

    command: Command
    """Shell command line (`cd jobs && MODE=bulk prog`), run in the release's directory with its
    virtualenv first in PATH."""

    instances: int = Field(1, ge=1, le=64)
    """Number of processes; each has its number, from 1, in the variable WORKER_INSTANCE."""

    stop_timeout: int = Field(60, ge=1)
    """Seconds that the worker has after SIGTERM to finish its job before it is killed."""

    restart: Restart = Restart()
    """How systemd restarts the worker."""

    single: bool = False
    """Whether only one process runs on all hosts together, for work that only one may do. It runs
    on the first host of the inventory that has the application, and starts only after the process
    of the previous release has ended."""

    limits: Limits = Limits()
    """Resource limits of each instance."""

    @model_validator(mode="after")
    def _single_is_one(self) -> Worker:
        if self.single and self.instances != 1:
            raise WrongValueError(
                "instances", f"`single: true` is one process, got {self.instances}"
            )
        return self


class Timer(Settings):
    """A command that runs on a schedule, from the live release."""

    command: Command
    """Shell command line (`cd jobs && MODE=bulk prog`), run in the release's directory with its
    virtualenv first in PATH."""

    schedule: Annotated[str, AfterValidator(one_line), AfterValidator(schedule)]
    """When the command runs, as systemd's OnCalendar: `daily`, `Mon..Fri 02:30`, `*:0/15` (every 15
    minutes). The time zone is the host's unless the text ends with another one.
    Syntax: <https://www.freedesktop.org/software/systemd/man/latest/systemd.time.html>."""

    timeout: int = Field(3600, ge=1)
    """Seconds after which a run is stopped."""

    single: bool = False
    """Whether the command runs on one host only: on the first host of the inventory that has the
    application, and one run at a time, also across releases. With false it runs on each host."""

    limits: Limits = Limits()
    """Resource limits of a run."""
