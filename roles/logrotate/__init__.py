"""Log rotation."""

from groundcrew.logs import Log
from groundcrew.roles.logrotate.builders import application_log
from groundcrew.roles.logrotate.deploy import apply
from groundcrew.roles.logrotate.settings import LogrotateSettings

__all__ = ["Log", "LogrotateSettings", "application_log", "apply"]
