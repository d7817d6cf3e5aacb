"""Read by pyinfra at the start of every run, whatever it runs."""

from pyinfra import config

from groundcrew import hooks
from roles.settings import HostSettings

config.REQUIRE_PYINFRA_VERSION = ">=3.10,<4"
config.SUDO = True
# One failed host stops the run: the others must not go on without it.
config.FAIL_PERCENT = 0

hooks.install(HostSettings, without_hosts=["playbooks/settings.py"])
