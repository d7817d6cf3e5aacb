"""Settings of the Python toolchain."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from groundcrew.contract import Brings, HostView, RoleSettings
from groundcrew.model import Settings


class BuildLimits(Settings):
    """What one build may use of the host, in systemd's own terms. A build runs the build scripts of
    packages and the application's own commands, so it has a user, a sandbox and limits of its own.
    Syntax: <https://www.freedesktop.org/software/systemd/man/latest/systemd.resource-control.html>."""

    memory_max: Annotated[str, StringConstraints(pattern=r"^[0-9]+[KMGT%]?$")] = "75%"
    """MemoryMax: above it the build is killed; in bytes, with K, M, G or T, or in percent of the
    host's memory."""

    tasks_max: int = Field(2048, ge=16)
    """TasksMax: largest number of processes and threads together."""

    cpu_weight: int = Field(20, ge=1, le=10000)
    """CPUWeight: share of a busy CPU compared with other units, which have 100."""

    io_weight: int = Field(20, ge=1, le=10000)
    """IOWeight: share of a busy disk compared with other units, which have 100."""

    timeout: int = Field(3600, ge=60)
    """RuntimeMaxSec: seconds after which a build is stopped."""

    @property
    def directives(self) -> dict[str, str]:
        """The limits as systemd directives."""
        return {
            "MemoryMax": self.memory_max,
            "TasksMax": str(self.tasks_max),
            "CPUWeight": str(self.cpu_weight),
            "IOWeight": str(self.io_weight),
            "RuntimeMaxSec": str(self.timeout),
        }


class PythonSettings(RoleSettings):
    """How virtualenvs are built on the host."""

    interpreter: str = "/usr/bin/python3"
    """Path of the interpreter that virtualenvs are made with, unless an application asks for
    another version (`python`)."""

    index_url: str = "https://pypi.org/simple"
    """Address of the package index."""

    compile_bytecode: bool = True
    """Whether a build compiles bytecode. Releases are read-only, so that otherwise every start
    would compile anew."""

    install_mirror: str | None = None
    """Where uv fetches Python interpreters that applications ask for (`python`) and that the host
    does not have: an address, or a directory on the host (`file:///srv/python`). null: the releases
    of python-build-standalone on GitHub."""

    keep_cache: bool = True
    """Whether the host keeps what builds download, in /srv/NAME/cache, for the next build."""

    build_limits: BuildLimits = BuildLimits()
    """What builds may use of the host."""

    environment: dict[str, str] = Field(default_factory=dict)
    """More environment variables of builds, such as HTTPS_PROXY."""

    def brings(self, host: HostView) -> Brings:
        """See `roles/python/brings.py`."""
        from groundcrew.roles.python.brings import brings  # noqa: PLC0415 - it needs this module

        return brings(self, host)
