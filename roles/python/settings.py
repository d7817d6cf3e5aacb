"""Settings of the Python toolchain."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from groundcrew.model import Settings


class BuildLimits(Settings):
    """What one build may use of the host, in systemd's own terms. It runs a package's build scripts
    and the application's own commands, so it has a user, a sandbox and limits of its own."""

    memory_max: Annotated[str, StringConstraints(pattern=r"^[0-9]+[KMGT%]?$")] = "75%"
    """MemoryMax: above it the build is killed; bytes, or a share of the host's memory."""

    tasks_max: int = Field(2048, ge=16)
    """TasksMax: processes and threads together."""

    cpu_weight: int = Field(20, ge=1, le=10000)
    """CPUWeight: share of a busy CPU; what serves has 100."""

    io_weight: int = Field(20, ge=1, le=10000)
    """IOWeight: share of a busy disk, likewise."""

    timeout: int = Field(3600, ge=60)
    """RuntimeMaxSec: seconds after which a build is ended."""

    @property
    def directives(self) -> dict[str, str]:
        """Them as systemd's."""
        return {
            "MemoryMax": self.memory_max,
            "TasksMax": str(self.tasks_max),
            "CPUWeight": str(self.cpu_weight),
            "IOWeight": str(self.io_weight),
            "RuntimeMaxSec": str(self.timeout),
        }


class PythonSettings(Settings):
    """How virtualenvs are built on the host."""

    interpreter: str = "/usr/bin/python3"
    """Interpreter that virtualenvs are made with: the system's unless another one is there."""

    index_url: str = "https://pypi.org/simple"
    """Package index."""

    compile_bytecode: bool = True
    """Compile while building: releases are read-only, so that starts would compile each time."""

    install_mirror: str | None = None
    """Where uv fetches interpreters that applications ask for in `python` and the host does not
    have, in place of python-build-standalone's releases on GitHub: an address, or a directory on
    the host (`file:///srv/python`)."""

    keep_cache: bool = True
    """Whether what builds download is kept in /srv/NAME/cache for the next one."""

    build_limits: BuildLimits = BuildLimits()
    """What builds may use of the host."""

    environment: dict[str, str] = Field(default_factory=dict)
    """More environment variables for builds, such as HTTPS_PROXY."""
