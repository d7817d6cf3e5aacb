"""Installs the pinned uv."""

from __future__ import annotations

from collections.abc import Generator

from pyinfra import host
from pyinfra.api import StringCommand, deploy, operation

from groundcrew.facts.files import Paths
from roles.python import builders
from roles.python.settings import PythonSettings


@operation()
def uv(settings: PythonSettings) -> Generator[StringCommand, None, None]:
    """Installs uv from the index, pinned by hash, unless that version is there.

    + settings: the role's settings
    """
    program = builders.uv_program()
    if program in host.get_fact(Paths, paths=[program]):
        host.noop(f"{program} is installed")
        return
    yield StringCommand(builders.install_uv(settings), _stdin=builders.uv_requirements())


@deploy("python")
def apply(settings: PythonSettings) -> None:
    """The toolchain that builds virtualenvs. Its Debian packages are `PACKAGES`."""
    uv(name="install uv", settings=settings)
