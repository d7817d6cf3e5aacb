"""The environment in which builds work, and commands of root in it.

A library, sent to the host with the programs that import it. Standard library only, Python 3.9 or
later.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"


def variables(cache: Path, more: dict[str, str]) -> dict[str, str]:
    """The environment of builds: no secrets, no variables of root. `more` are those of the
    settings."""
    return {
        "HOME": str(cache),
        "LANG": "C.UTF-8",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "UV_CACHE_DIR": str(cache / "uv"),
        "UV_NO_CONFIG": "1",
        "UV_NO_PROGRESS": "1",
        "UV_PYTHON_DOWNLOADS": "never",
        "SSL_CERT_FILE": CERTIFICATES,
        "NODE_EXTRA_CA_CERTS": CERTIFICATES,
        # Bytecode of the same files is then the same, regardless of when it was compiled.
        "PYC_INVALIDATION_MODE": "UNCHECKED_HASH",
        **more,
    }


def capture(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Runs a command as root in a controlled environment, and captures its output."""
    return subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        umask=0o022,
        check=False,
    )
