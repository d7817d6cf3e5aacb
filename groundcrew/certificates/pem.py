"""Normalises PEM files, so that every program reads them alike.

Missing newlines between files, byte order marks, Windows line endings and text between the blocks
are accepted by some programs and misread by others: OpenSSL can silently skip a site's own
certificate.
"""

from __future__ import annotations

import re
import textwrap

CERTIFICATE = ("CERTIFICATE", "X509 CERTIFICATE")
PRIVATE_KEY = ("PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY")
_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \1-----", re.DOTALL)
_WIDTH = 64


def clean(text: str, kinds: tuple[str, ...]) -> str:
    """The PEM blocks of the given kinds, normalised; empty if there are none."""
    return "".join(
        _block(match[1], match[2]) for match in _BLOCK.finditer(text) if match[1] in kinds
    )


def _block(kind: str, body: str) -> str:
    lines = [line.strip() for line in body.strip().splitlines()]
    # A key with a passphrase has header fields before an empty line; it is rejected elsewhere.
    if not any(":" in line for line in lines):
        lines = textwrap.wrap("".join(lines), _WIDTH)
    return "\n".join([f"-----BEGIN {kind}-----", *lines, f"-----END {kind}-----", ""])
