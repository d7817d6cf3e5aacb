"""Settings of the Python toolchain."""

from __future__ import annotations

from pydantic import Field

from groundcrew.model import Settings


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

    environment: dict[str, str] = Field(default_factory=dict)
    """More environment variables for builds, such as HTTPS_PROXY."""
