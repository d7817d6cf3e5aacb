"""Log rotation."""

from roles.logrotate.builders import Log, application_log
from roles.logrotate.deploy import apply
from roles.logrotate.settings import LogrotateSettings

PACKAGES = ("logrotate",)

__all__ = ["PACKAGES", "Log", "LogrotateSettings", "application_log", "apply"]
