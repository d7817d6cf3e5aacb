"""Looks at the certificates that a host gets by itself.

Runs on the host as root, as `python3 -c SCRIPT NAMES`; NAMES is a JSON list of sites. Prints one
line of JSON: {"sites": {NAME: {"target": where nginx's link leads, or null, "usable": whether there
is a certificate, "lineage": null or {"names": those that certbot's certificate is for, "server":
ACME directory, "authenticator": plugin}}}, "reload": whether systemd is to read certbot's unit
again}. Standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = "/etc/ssl/groundcrew"
CERTBOT = "/etc/letsencrypt"
DROP_IN = "/etc/systemd/system/certbot.service.d/groundcrew.conf"


def output(*command: str) -> str:
    """What a command prints; nothing where it cannot be run."""
    try:
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        ).stdout
    except OSError:
        return ""


def site(name: str) -> dict[str, Any]:
    """One site."""
    link = os.path.join(ROOT, name)
    return {
        "target": os.readlink(link) if os.path.islink(link) else None,
        "usable": all(os.path.exists(f"{link}/{file}.pem") for file in ("fullchain", "privkey")),
        "lineage": lineage(name),
    }


def lineage(name: str) -> dict[str, Any] | None:
    """What certbot keeps under the site's name."""
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
    """Prints everything."""
    # systemd itself overlooks a drop-in whose directory is new.
    seen = DROP_IN in output("systemctl", "show", "--property=DropInPaths", "certbot.service")
    found = {
        "sites": {name: site(name) for name in json.loads(sys.argv[1])},
        "reload": seen != os.path.exists(DROP_IN),
    }
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
