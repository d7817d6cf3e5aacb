"""Read by pyinfra at the start of every run, whatever it runs."""

import importlib.metadata
import re
import sys

# Before anything is imported that another pyinfra, or another Python, would not have.
found = importlib.metadata.version("pyinfra")
numbers = [int(number) for number in re.findall(r"\d+", found)]
if numbers < [3, 10] or sys.version_info < (3, 11):
    sys.exit(
        f"groundcrew: this is pyinfra {found} with Python {sys.version.split()[0]} ({sys.prefix}); "
        "pyinfra 3.10 and Python 3.11 or later are needed. In the project's directory: . bin/_setup"
    )
try:
    import pathspec  # noqa: F401
    import pydantic  # noqa: F401
except ImportError as error:
    sys.exit(
        f"groundcrew: {error} in {sys.prefix}: this pyinfra lacks the project's packages. In the "
        "project's directory: . bin/_setup"
    )

from pyinfra import config

from groundcrew import hooks
from groundcrew.settings.needs import Need
from roles.settings import HostSettings

config.REQUIRE_PYINFRA_VERSION = ">=3.10,<4"
config.SUDO = True
# One failed host stops the run: the others must not go on without it.
config.FAIL_PERCENT = 0

hooks.install(
    HostSettings,
    without_hosts=["playbooks/settings.py"],
    # The other files read all of your secrets: deploy.py, playbooks/release.py, those of your own.
    reads={
        "playbooks/audit.py": (),
        "playbooks/logs.py": (),
        "playbooks/maintenance.py": (),
        "playbooks/preflight.py": (),
        "playbooks/releases.py": (),
        "playbooks/remove.py": (Need.PASSWORDS, Need.KEYS),
        "playbooks/restart.py": (),
        "playbooks/rollback.py": (),
        "playbooks/sbom.py": (),
        "playbooks/settings.py": (),
        "playbooks/status.py": (),
        "playbooks/verify.py": (),
    },
)
