"""Reports the certificates that a host obtains itself.

Runs on the host as root, as `python3 -c SCRIPT NAMES`; NAMES is a JSON list of sites. Prints one
line of JSON: {"sites": {NAME: {"target": target of nginx's link, or null, "usable": whether there
is a certificate, "lineage": null or {"names": names in certbot's certificate, "server": ACME
directory, "authenticator": plugin}}}, "reload": whether systemd must reload certbot's unit}.
Standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # Types of the reports, shared with the facts; never sent to a host.
    from groundcrew.facts.certificates import CertificateState, CertificateStates, Lineage

ROOT = "/etc/ssl/groundcrew"
CERTBOT = "/etc/letsencrypt"
DROP_IN = "/etc/systemd/system/certbot.service.d/groundcrew.conf"


def output(*command: str) -> str:
    """A command's standard output; empty if it cannot be run."""
    try:
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        ).stdout
    except OSError:
        return ""


def site(name: str) -> CertificateState:
    """The report for one site."""
    link = os.path.join(ROOT, name)
    return {
        "target": os.readlink(link) if os.path.islink(link) else None,
        "usable": all(os.path.exists(f"{link}/{file}.pem") for file in ("fullchain", "privkey")),
        "lineage": lineage(name),
    }


def lineage(name: str) -> Lineage | None:
    """certbot's certificate under the site's name; None if there is none."""
    certificate = f"{CERTBOT}/live/{name}/cert.pem"
    try:
        text = Path(f"{CERTBOT}/renewal/{name}.conf").read_text(encoding="utf-8")
    except OSError:
        return None
    if not os.path.exists(certificate):
        return None
    values = dict(re.findall(r"^(\w+) = (.*)$", text, re.MULTILINE))
    shown = output("openssl", "x509", "-noout", "-ext", "subjectAltName", "-in", certificate)
    return {
        "names": re.findall(r"DNS:([^,\s]+)", shown),
        "server": values.get("server", ""),
        "authenticator": values.get("authenticator", ""),
    }


def main() -> int:
    """Prints the report."""
    # systemd does not notice a drop-in whose directory is new.
    seen = DROP_IN in output("systemctl", "show", "--property=DropInPaths", "certbot.service")
    states: CertificateStates = {
        "sites": {name: site(name) for name in json.loads(sys.argv[1])},
        "reload": seen != os.path.exists(DROP_IN),
    }
    print(json.dumps(states))
    return 0


if __name__ == "__main__":
    sys.exit(main())
