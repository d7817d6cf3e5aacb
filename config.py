"""Read by pyinfra at the start of every run, whatever it runs."""

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
