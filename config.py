"""Read by pyinfra at the start of every run, whatever it runs."""

import gc
import importlib.metadata
import pathlib
import re
import sys

# What is imported here is needed until the end: the garbage collector need not look at it.
gc.disable()

# Checked before importing anything that another pyinfra or another Python may not have.
version = importlib.metadata.version("pyinfra")
setup = ". bin/_setup" if pathlib.Path("bin/_setup").exists() else "pip install -r requirements.txt"
numbers = [int(number) for number in re.findall(r"\d+", version)]
if numbers < [3, 10] or sys.version_info < (3, 11):
    sys.exit(
        f"groundcrew: this is pyinfra {version} with Python {sys.version.split()[0]} "
        f"({sys.prefix}); pyinfra 3.10 and Python 3.11 or later are needed. In the "
        f"project's directory: {setup}"
    )
try:
    import pathspec  # noqa: F401
    import pydantic  # noqa: F401
except ImportError as error:
    sys.exit(
        f"groundcrew: {error} in {sys.prefix}: this pyinfra lacks the project's packages. In the "
        f"project's directory: {setup}"
    )

from pyinfra import config

# pyinfra sets this. Python would then compile all of groundcrew in each run, as it stores nothing.
sys.dont_write_bytecode = bool(sys.flags.dont_write_bytecode)

from groundcrew import startup
from groundcrew.roles.settings import HostSettings
from groundcrew.settings.needs import Need

config.REQUIRE_PYINFRA_VERSION = ">=3.10,<4"
config.SUDO = True
# One failed host stops the run on all hosts.
config.FAIL_PERCENT = 0

startup.install(
    HostSettings,
    without_hosts=["playbooks/client.py", "playbooks/settings.py"],
    # Files that are not listed read all of your secrets: deploy.py, the playbooks release.py,
    # rotate.py, image.py and swarm.py, your own.
    reads={
        "playbooks/alert_test.py": (),
        "playbooks/audit.py": (),
        "playbooks/backup.py": (),
        "playbooks/backup_key.py": (),
        "playbooks/backups.py": (),
        "playbooks/checklist.py": (),
        "playbooks/client.py": (),
        "playbooks/drill.py": (),
        "playbooks/logs.py": (),
        "playbooks/maintenance.py": (),
        "playbooks/preflight.py": (),
        "playbooks/promote.py": (),
        "playbooks/reboot.py": (),
        "playbooks/releases.py": (),
        "playbooks/remove.py": (Need.PASSWORDS, Need.KEYS, Need.ROLES),
        "playbooks/rename.py": (),
        "playbooks/renew.py": (),
        "playbooks/restart.py": (),
        "playbooks/restore.py": (),
        "playbooks/rollback.py": (),
        "playbooks/sbom.py": (),
        "playbooks/settings.py": (),
        "playbooks/start.py": (),
        "playbooks/status.py": (),
        "playbooks/stop.py": (),
        "playbooks/upgrade.py": (),
        "playbooks/verify.py": (),
    },
)

gc.freeze()
gc.enable()
