"""What the Python role brings to a host besides its operations."""

from __future__ import annotations

from groundcrew.contract import Brings, HostView
from groundcrew.roles.python.builders import PACKAGES
from groundcrew.roles.python.settings import PythonSettings


def brings(settings: PythonSettings, host: HostView) -> Brings:
    """The Debian packages that virtualenvs need, on hosts with applications."""
    del settings
    return Brings(packages=PACKAGES if host.apps else ())
