"""Operations of the Python role: uv is installed while other roles run."""

from __future__ import annotations

from collections.abc import Generator

from pyinfra import host
from pyinfra.api import StringCommand, deploy, operation
from pyinfra.facts.files import File

from groundcrew.read_first import reading_first
from groundcrew.roles.python import builders
from groundcrew.roles.python.settings import PythonSettings

BEGUN = "groundcrew_uv"


@operation()
@reading_first
def begin_uv(settings: PythonSettings) -> Generator[StringCommand, None, None]:
    """Starts installing uv from the index, pinned by hash, unless that version is installed.

    The installation runs in a unit of its own, since it mostly waits for the network. `finish_uv`
    waits for it.

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
    """Waits for the installation that `begin_uv` started. If it failed, shows its log and fails."""
    if host.connector_data.pop(BEGUN, False):
        yield StringCommand(builders.finish_uv())


@deploy("python")
def begin(settings: PythonSettings) -> None:
    """Starts installing the toolchain. Its Debian packages are `PACKAGES`."""
    begin_uv(name="begin to install uv", settings=settings)


@deploy("python")
def finish() -> None:
    """Waits until the toolchain is installed."""
    finish_uv(name="uv is installed")
