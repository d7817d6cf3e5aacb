"""A host of its own with `base.hardening: strict`, made and audited while other tests run."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.audit import openscap, tools
from tests.audit.gate import NotCheckedError, waivers
from tests.e2e.five import inventory_of
from tests.e2e.harness import LabHost, Run, inside, pyinfra

STRICT: dict[str, Any] = {
    "base.hardening": "strict",
    "app.hello.tls": {"certificate": {"type": "self-signed"}},
    "app.httpbin.tls": {"certificate": {"type": "self-signed"}},
}
LYNIS = (
    f"{tools.APT_INSTALL} lynis >/dev/null 2>&1 && "
    "lynis audit system --no-colors --quick > /dev/null 2>&1"
)

# One that nothing needs, and one that another package needs.
UNWANTED = f"""
apt-get -qq update
{tools.APT_INSTALL} inetutils-telnet inetutils-talk >/dev/null 2>&1
mkdir -p /tmp/needs/DEBIAN
cat > /tmp/needs/DEBIAN/control <<CONTROL
Package: needs-it
Version: 1
Architecture: all
Maintainer: nobody <nobody@localhost>
Depends: inetutils-talk
Description: something that needs it
CONTROL
dpkg-deb --build /tmp/needs /tmp/needs.deb >/dev/null && dpkg --install /tmp/needs.deb >/dev/null
"""


class StrictHost(LabHost):
    """Begins in the background; `audited` waits for it."""

    def __init__(self) -> None:
        # The last by name: a worker that is to run once runs on the first host there is.
        super().__init__("strict", "trixie", bare=True)
        self.again: Run | None = None
        self._error: Exception | None = None
        self._up = False
        self._audited = threading.Thread(target=self._begin, daemon=True)
        self._audited.start()

    def audited(self) -> StrictHost:
        """The host, with the results of lynis and OpenSCAP on it."""
        self._audited.join()
        if self._error:
            raise NotCheckedError(f"{self.name}: {self._error}") from self._error
        return self

    def ended(self) -> None:
        """Takes it down, once nothing is done with it any more."""
        self._audited.join()
        if self._up and not os.environ.get("GROUNDCREW_KEEP"):
            self._up = False
            self.down()

    def _begin(self) -> None:
        try:
            self.up()
            self._up = True
            inside(self, UNWANTED)
            # Hosts of other tests come and go meanwhile.
            with TemporaryDirectory() as folder:
                alone = inventory_of(Path(folder), self.name)
                self.first = pyinfra(self.name, data=STRICT, nice=5, inventory=alone)
                assert self.first.status == 0, self.first.stderr
                self.again = pyinfra(self.name, data=STRICT, nice=5, inventory=alone)
            inside(self, LYNIS, timeout=600)
            scan(self)
        except Exception as error:
            self._error = error


def scan(host: LabHost) -> None:
    """OpenSCAP on a host, by the profile as it is and as it is tailored."""
    log = "/tmp/openscap.log"
    inside(host, f"({openscap.INSTALL}) > {log} 2>&1 || {{ cat {log}; exit 1; }}", timeout=600)
    inside(host, openscap.scan("plain.xml"))
    text = openscap.tailoring(waivers("openscap", host.suite, "strict"))
    inside(host, f"cat > {openscap.PLACE}/tailoring.xml", text)
    inside(host, openscap.scan("tailored.xml", tailored=True))


def verdict(host: LabHost, results: str) -> openscap.Verdict:
    """What a scan found."""
    return openscap.verdict(inside(host, f"cat {openscap.PLACE}/{results}"))
