"""An image of lab hosts that have the Debian packages which nearly every first run would install,
as the hosts of many providers do. A bare host spends most of its first run on them.

What runs as a service, such as nginx or PostgreSQL, is not in it: only what those need. Tests about
first runs take bare hosts (`LabHost.bare`).
"""

from __future__ import annotations

import hashlib
import threading
from functools import cache

from groundcrew.facts.apt import STAMP
from groundcrew.lab import engine, image
from groundcrew.lab.checkout import lock
from groundcrew.lab.engine import docker

PACKAGES = (
    "fail2ban",
    "libpam-systemd",
    "logrotate",
    "mariadb-backup",
    "mariadb-server",
    "nftables",
    "nginx",
    "pgbackrest",
    "postgresql",
    "python3-pip-whl",
    "python3-systemd",
    "redis-server",
    "restic",
    "systemd-timesyncd",
    "tzdata",
    "unattended-upgrades",
)
SERVICES = "fail2ban|galera|libnginx|libpq|mariadb|nginx|pgbackrest|postgresql|redis"
"""What the names of packages begin with that are left to the first run, and to builds of tests."""

SCRIPT = f"""\
set -eu
export DEBIAN_FRONTEND=noninteractive
echo force-unsafe-io > /etc/dpkg/dpkg.cfg.d/lab
apt-get -qq update
names=$(apt-get -qq -s install --no-install-recommends {" ".join(PACKAGES)} |
    awk '$1 == "Inst" {{ print $2 }}' | grep -vE '^({SERVICES})')
apt-get -qq -y install --no-install-recommends $names >/dev/null
apt-get clean
# A run that finds the lists fresh does not fetch them.
mkdir -p {STAMP.rpartition("/")[0]}
touch {STAMP}
rm -f /etc/ssh/ssh_host_* /var/lib/dbus/machine-id
: > /etc/machine-id
"""
SECONDS = 1200
ONE = threading.Lock()
"""A lock that is a file stops all threads here while it waits, even the one that has it."""


def tag(suite: str) -> str:
    """The tag of the suite's image, which is made if there is none."""
    with ONE:
        return _ensure(suite)


@cache
def _ensure(suite: str) -> str:
    with lock("prepared"):
        with lock("up"):
            engine.ensure()
            bare = image.ensure(suite)
        name = f"{bare}-{hashlib.sha256(SCRIPT.encode()).hexdigest()[:12]}"
        if not image.exists(name):
            _make(bare, name)
    return name


def _make(bare: str, name: str) -> None:
    # The lab's hosts reach Debian's mirror by the machine's own network as well.
    made = docker("create", "--network=host", "--interactive", bare, "sh").stdout.strip()
    try:
        docker("start", "--attach", "--interactive", made, stdin=SCRIPT, timeout=SECONDS)
        docker("commit", '--change=CMD ["/sbin/init"]', made, name, timeout=SECONDS)
    finally:
        docker("rm", "--force", "--volumes", made, check=False)
