"""Collects failures during a run."""

from __future__ import annotations

import logging
import re
import time
from collections import deque
from dataclasses import dataclass, field

from pyinfra.api import Host
from pyinfra.api.state import BaseStateCallback, State

KEPT = 400
"""Maximum number of kept lines of a host's errors."""

STYLE = re.compile(r"\x1b\[[0-9;]*m")


@dataclass
class Failure:
    """The failure of one host."""

    host: str
    step: str
    lines: tuple[str, ...]


@dataclass
class Running:
    """The current step of a host."""

    step: str
    since: float = field(default_factory=time.monotonic)


@dataclass
class Story:
    """The state of this process's run."""

    running: dict[str, Running] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    ignored: list[Failure] = field(default_factory=list)
    """Failures after which the run continued. They are reported if the host fails in the end."""

    interrupted: dict[str, str] | None = None
    """The current step of each host when the operator stopped the run."""

    lines: dict[str, deque[str]] = field(default_factory=dict)
    state: State | None = None

    def failed(self, host: str, step: str, lines: tuple[str, ...] | None = None) -> None:
        """Records a host's first failure; without `lines`, with the last lines of the host's
        errors."""
        if not any(item.host == host for item in self.failures):
            said = tuple(self.lines.get(host, ())) if lines is None else lines
            self.failures.append(Failure(host, step, said))

    def complete(self) -> list[Failure]:
        """All failures, including those without a pyinfra event. Failures after which the run
        continued come last, since they are the cause."""
        for host in sorted(
            self.state.failed_hosts if self.state else (), key=lambda item: item.name
        ):
            running = self.running.get(host.name)
            self.failed(host.name, running.step if running else "")
        hosts = {item.host for item in self.failures}
        return [*self.failures, *(item for item in self.ignored if item.host in hosts)]


STORY = Story()


class Collector(BaseStateCallback):
    """Records pyinfra's events. A nested operation counts as part of the outer one."""

    @staticmethod
    def host_before_connect(state: State, host: Host) -> None:  # noqa: ARG004
        """The host is being connected to."""
        STORY.running.setdefault(host.name, Running("connecting"))

    @staticmethod
    def host_connect(state: State, host: Host) -> None:  # noqa: ARG004
        """The host is connected."""
        running = STORY.running.get(host.name)
        if running and running.step == "connecting":
            del STORY.running[host.name]

    @staticmethod
    def host_connect_error(state: State, host: Host, error: Exception) -> None:  # noqa: ARG004
        """The host cannot be connected to."""
        STORY.failed(host.name, "connecting", tuple(str(error).splitlines()))

    @staticmethod
    def operation_host_start(state: State, host: Host, op_hash: str) -> None:
        """An operation begins; the host's messages from now on belong to it."""
        if host.executing_op_hash is None and op_hash in state.ops[host]:
            name = ", ".join(sorted(state.get_op_meta(op_hash).names))
            STORY.running[host.name] = Running(name)
            STORY.lines[host.name] = deque(maxlen=KEPT)

    @staticmethod
    def operation_host_success(
        state: State,  # noqa: ARG004
        host: Host,
        op_hash: str,  # noqa: ARG004
        retry_count: int = 0,  # noqa: ARG004
    ) -> None:
        """The operation succeeded."""
        if host.nested_executing_op_hash is None:
            STORY.running.pop(host.name, None)

    @staticmethod
    def operation_host_error(
        state: State,
        host: Host,
        op_hash: str,
        retry_count: int = 0,  # noqa: ARG004
        max_retries: int = 0,  # noqa: ARG004
    ) -> None:
        """The operation failed."""
        if host.nested_executing_op_hash is None:
            ignored = state.get_op_data_for_host(host, op_hash).global_arguments["_ignore_errors"]
            running = STORY.running.pop(host.name, None)
            step = running.step if running else ""
            if ignored:
                lines = tuple(STORY.lines.get(host.name, ()))
                STORY.ignored.append(Failure(host.name, step, lines))
            else:
                STORY.failed(host.name, step)


class Listener(logging.Handler):
    """Collects hosts' warnings and errors from pyinfra's log: `[HOST] text`."""

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps the lines of one record."""
        if record.levelno < logging.WARNING:
            return
        text = STYLE.sub("", record.getMessage())
        match = re.match(r"\s*\[([^\]]+)\] ?(.*)", text, re.DOTALL)
        if match and match[1] in STORY.running:
            STORY.lines.setdefault(match[1], deque(maxlen=KEPT)).extend(match[2].splitlines())
