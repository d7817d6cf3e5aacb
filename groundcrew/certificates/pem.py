"""PEM as every program reads it, from the way in which people and CAs hand it over.

Files that were put together without a newline between them, a byte order mark, lines that end as in
Windows, and text between the blocks are taken by some programs and misunderstood by others: OpenSSL
would skip a site's own certificate without a word.
"""

from __future__ import annotations

import re
import textwrap

CERTIFICATE = ("CERTIFICATE", "X509 CERTIFICATE")
PRIVATE_KEY = ("PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY")
_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \1-----", re.DOTALL)
_WIDTH = 64


def clean(text: str, kinds: tuple[str, ...]) -> str:
    """The blocks of some kinds, each on lines of its own; empty where there are none."""
    return "".join(
        _block(match[1], match[2]) for match in _BLOCK.finditer(text) if match[1] in kinds
    )


def _block(kind: str, body: str) -> str:
    lines = [line.strip() for line in body.strip().splitlines()]
    # A key with a passphrase has fields before an empty line; they are judged elsewhere.
    if not any(":" in line for line in lines):
        lines = textwrap.wrap("".join(lines), _WIDTH)
    return "\n".join([f"-----BEGIN {kind}-----", *lines, f"-----END {kind}-----", ""])
