"""An application's front end: the inputs of its build, and the build on the operator's machine."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tarfile
from collections import deque
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from threading import RLock
from typing import Any

from groundcrew import remote
from groundcrew.manifest.frontend import Frontend
from groundcrew.releases import bundle
from groundcrew.releases.bundle import Bundle, SourceError
from groundcrew.remote.build_frontend import LOCKS, together

TIMEOUT = 3600
"""Maximum duration of a build in seconds."""
LINES_SHOWN = 40
# Environment variables passed to a build on the operator's machine; others may hold secrets.
_PASSED = (
    "HOME", "LANG", "PATH", "TMPDIR", "NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "SSL_CERT_DIR",
    *(name for word in ("http", "https", "no", "all") for name in (f"{word}_proxy",
                                                                 f"{word.upper()}_PROXY")),
)  # fmt: skip

_lock = RLock()


@dataclass(frozen=True)
class FrontendBuild:
    """A front end that is built on the host."""

    settings: Frontend
    key: str
    """Digest of the inputs."""

    node: str | None
    """Hash-pinned requirements of Node.js; None = the distribution's."""

    node_version: str | None

    def payload(self, timeout: int = TIMEOUT) -> dict[str, Any]:
        """Payload for `groundcrew/remote/build_release.py`."""
        return {
            "program": remote.source("build_frontend"),
            "directory": self.settings.directory,
            "spec": _spec(self.settings, self.key),
            "node": self.node,
            "node_version": self.node_version,
            "timeout": timeout,
        }


def check(frontend: Frontend, packed: Bundle) -> None:
    """Raises SourceError if the source lacks files that the front end needs."""
    names = bundle.names(packed)
    output = _path(frontend.directory, frontend.output)
    if frontend.build == "none":
        if not any(PurePosixPath(name).is_relative_to(output) for name in names):
            raise SourceError(f"{packed.label} has no files in {output}")
        return
    if output == _path(frontend.directory):
        raise SourceError("output must be a directory of its own")
    locks = [_path(frontend.directory, name) for name in LOCKS]
    if _path(frontend.directory, "package.json") not in names:
        raise SourceError(f"{packed.label} has no {_path(frontend.directory, 'package.json')}")
    if not names.intersection(locks):
        raise SourceError(
            f"{packed.label} has no {locks[-1]}, which names what is installed; "
            "`npm install --package-lock-only` writes it"
        )


def key(frontend: Frontend, packed: Bundle, node_version: str | None = None) -> str:
    """Digest of everything that determines the built files."""
    assert packed.archive
    digest = hashlib.sha256()
    settings = frontend.model_dump(include={"command", "output", "env", "node"})
    digest.update(json.dumps([settings, node_version], sort_keys=True).encode())
    root = PurePosixPath(_path(frontend.directory))
    with tarfile.open(packed.archive) as archive:
        for member in archive:
            if PurePosixPath(member.name).is_relative_to(root):
                file = archive.extractfile(member) if member.isfile() else None
                content = file.read() if file else member.linkname.encode()
                digest.update(f"{member.name}\0{member.mode}\0{len(content)}\0".encode())
                digest.update(content)
    return digest.hexdigest()[:32]


def built(frontend: Frontend, packed: Bundle, store: Path) -> Bundle:
    """The source with its front end, built on this machine unless it has been built before.

    Raises SourceError if the build fails.
    """
    name = key(frontend, packed)
    digest = hashlib.sha256(f"{packed.digest} {name}".encode()).hexdigest()
    with _lock:
        if not bundle.kept(store, digest):
            _build(frontend, packed, store, name, digest)
    return Bundle(digest, packed.label, bundle.path(store, digest))


def _build(frontend: Frontend, packed: Bundle, store: Path, name: str, digest: str) -> None:
    assert packed.archive
    with TemporaryDirectory(prefix="groundcrew-") as folder:
        root = Path(folder)
        with tarfile.open(packed.archive) as archive:
            archive.extractall(root, filter="data")
        spec = {
            **_spec(frontend, name),
            "source": str(root / frontend.directory),
            "target": str(root / frontend.directory / frontend.output),
            "store": str((store / "frontend").resolve()),
            "npm_cache": None,
        }
        _run([sys.executable, "-ISc", remote.source("build_frontend"), json.dumps(spec)])
        bundle.archive(root, store, packed.label, digest)


def _run(command: list[str]) -> None:
    print("--> build the front end on this machine", file=sys.stderr, flush=True)
    environment = {name: os.environ[name] for name in _PASSED if name in os.environ}
    try:
        done = together(command, environment, timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        raise SourceError(f"the front end took longer than {TIMEOUT} s") from None
    if done.returncode != 0:
        last = deque(done.stdout.splitlines(), maxlen=LINES_SHOWN)
        raise SourceError("the front end was not built:\n" + "\n".join(last))


def _spec(frontend: Frontend, name: str) -> dict[str, Any]:
    return {
        "key": name,
        "output": frontend.output,
        "command": frontend.command,
        "env": frontend.env,
        "registry": frontend.registry,
        "skip": [".git"],
    }


def _path(*parts: str) -> str:
    return str(PurePosixPath(*parts))
