"""Installs the pinned uv while other roles are at work."""

from __future__ import annotations

from collections.abc import Generator

from pyinfra import host
from pyinfra.api import StringCommand, deploy, operation
from pyinfra.facts.files import File

from roles.python import builders
from roles.python.settings import PythonSettings

BEGUN = "groundcrew_uv"


@operation()
def begin_uv(settings: PythonSettings) -> Generator[StringCommand, None, None]:
    """Begins to install uv from the index, pinned by hash, unless that version is there.

    The installation goes on in a unit of its own, since it waits for the network most of the time;
    `finish_uv` waits for its end.

    + settings: the role's settings
    """
    program = builders.uv_program()
    if host.get_fact(File, path=program):
        host.noop(f"{program} is installed")
        return
    yield StringCommand(builders.begin_uv(), _stdin=builders.install_uv(settings))
    if host.state.is_executing:
        host.connector_data[BEGUN] = True


@operation()
def finish_uv() -> Generator[StringCommand, None, None]:
    """Waits until what `begin_uv` has begun is done; fails with its last lines where it failed."""
    if host.connector_data.pop(BEGUN, False):
        yield StringCommand(builders.finish_uv())


@deploy("python")
def begin(settings: PythonSettings) -> None:
    """The toolchain that builds virtualenvs. Its Debian packages are `PACKAGES`."""
    begin_uv(name="begin to install uv", settings=settings)


@deploy("python")
def finish() -> None:
    """Until the toolchain is there."""
    finish_uv(name="uv is installed")
