"""The login of a program that serves a server's metrics, and its unit, for modules that manage a
server on the host.

A library; standard library only, Python 3.9 or later. What describes the program ("exporter" in the
request of such a module, or null): {"unit", "unit_file": PATH, "file": PATH of what only root can
read, "text": its content with `{user}` and `{password}`, "files": PATHs of what else it reads at
its start, "store", "account"}.
"""

from __future__ import annotations

from typing import Any, Optional

from groundcrew.remote.credentials import Login, logins, make_logins
from groundcrew.remote.private_file import write_private
from groundcrew.remote.unit_control import bring_up, unit_differences

Data = dict[str, Any]
Exporter = Optional[Data]  # noqa: UP045 - Python 3.9


def unit_name(name: str) -> str:
    """The unit of a program that serves metrics."""
    return f"groundcrew-metrics-{name}.service"


def exporter_login(exporter: Exporter) -> Login | None:
    """The login that the server must know; None without an exporter, or before it is made up."""
    if exporter is None:
        return None
    stored = logins(exporter["store"], exporter["account"])
    return next((item for item in stored if item.enabled), None)


def make_exporter_login(exporter: Exporter) -> None:
    """Makes up the login, unless it exists."""
    if exporter is not None:
        make_logins(exporter["store"], exporter["account"])


def exporter_differences(exporter: Exporter) -> list[str]:
    """A line for each difference of the file and the unit."""
    if exporter is None:
        return []
    login = exporter_login(exporter)
    if login is None:
        return ["no login for metrics"]
    if _read(exporter["file"]) != _text(exporter, login):
        return ["the login for metrics differs"]
    read = [exporter["unit_file"], exporter["file"], *exporter["files"]]
    return unit_differences(exporter["unit"], read)


def start_exporter(exporter: Exporter) -> None:
    """Writes the file and starts the unit, as far as they differ. The server knows the login."""
    if exporter is None or not exporter_differences(exporter):
        return
    login = exporter_login(exporter)
    assert login
    if _read(exporter["file"]) != _text(exporter, login):
        write_private(exporter["file"], _text(exporter, login))
    bring_up(exporter["unit"], lambda: True)


def _text(exporter: Data, login: Login) -> str:
    text: str = exporter["text"]
    return text.replace("{user}", login.user).replace("{password}", login.password)


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:
            return file.read()
    except OSError:
        return ""
