"""Self-signed certificates with which servers show other hosts of the inventory who they are.

A library; standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import grp
import ipaddress
import os
import subprocess
import tempfile
from typing import Any

DAYS = 3650


def certificate_differences(wanted: dict[str, Any] | None) -> list[str]:
    """What is wrong with a certificate: {"file", "key", "group", "names": [address or name]};
    nothing if none is wanted."""
    if wanted is None:
        return []
    if not (os.path.exists(wanted["file"]) and os.path.exists(wanted["key"])):
        return ["no certificate"]
    missing = [name for name in wanted["names"] if not _valid_for(wanted["file"], name)]
    return [f"the certificate is not for {name}, or expires soon" for name in missing]


def make_certificate(wanted: dict[str, Any]) -> None:
    """Makes key and certificate. Root owns both; the group may read the key."""
    names = ",".join(f"{'IP' if _is_address(name) else 'DNS'}:{name}" for name in wanted["names"])
    folder = os.path.dirname(wanted["file"])
    with tempfile.TemporaryDirectory(dir=folder) as staging:
        key, certificate = os.path.join(staging, "key"), os.path.join(staging, "certificate")
        _openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-days", str(DAYS), "-subj", f"/CN={wanted['names'][0]}", "-addext",
            f"subjectAltName={names}", "-keyout", key, "-out", certificate,
        )  # fmt: skip
        os.chown(key, 0, grp.getgrnam(wanted["group"]).gr_gid)
        os.chmod(key, 0o640)
        os.chmod(certificate, 0o644)
        os.replace(key, wanted["key"])
        os.replace(certificate, wanted["file"])


def _valid_for(file: str, name: str) -> bool:
    """Whether a certificate is for a name, and for 30 more days."""
    check = "-checkip" if _is_address(name) else "-checkhost"
    output = subprocess.run(
        ["openssl", "x509", "-in", file, "-noout", check, name],
        # OpenSSL 3.5 says by its exit status too whether it matches.
        check=False, capture_output=True, text=True,
    ).stdout  # fmt: skip
    lasting = subprocess.run(
        ["openssl", "x509", "-in", file, "-noout", "-checkend", str(30 * 86400)],
        check=False,
        capture_output=True,
    )
    return "does match" in output and lasting.returncode == 0


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _openssl(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["openssl", *arguments], check=True, capture_output=True, text=True, timeout=60
    )
