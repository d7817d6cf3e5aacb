"""The documentation as a site: `bin/docs build`.

Sphinx has a virtualenv of its own, pinned in requirements/docs.lock.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from groundcrew import tool
from groundcrew.project import ROOT

FOLDER = Path(__file__).resolve().parent
LOCK = FOLDER / "requirements" / "docs.lock"
SITE = ROOT / ".groundcrew" / "docs"


def build(source: Path = ROOT, output: Path = SITE) -> subprocess.CompletedProcess[str]:
    """Writes the site of `source` to `output`, which is made. It needs no network but for the
    first time, to install Sphinx. Every warning makes it fail; the result has them in `stderr`.

    Raises CalledProcessError if Sphinx cannot be installed.
    """
    cache = output.with_name(f"{output.name}-cache")
    command = [
        str(tool.programs(LOCK) / "sphinx-build"),
        *("--fail-on-warning", "--keep-going", "--quiet", "--nitpicky", "--builder", "html"),
        *("--conf-dir", str(FOLDER), "--doctree-dir", str(cache)),
        *(str(source), str(output)),
    ]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def main(arguments: Sequence[str] | None = None) -> int:
    """Builds the site and returns the exit status: 1 if there is a warning."""
    parser = argparse.ArgumentParser(
        prog="bin/docs build", description="Build the documentation as a site."
    )
    parser.add_argument(
        "directory", nargs="?", type=Path, default=SITE, help="default: %(default)s"
    )
    output: Path = parser.parse_args(arguments).directory.absolute()
    done = build(output=output)
    sys.stderr.write(done.stderr)
    if done.returncode == 0:
        print(output / "index.html")
    return 1 if done.returncode else 0


if __name__ == "__main__":
    sys.exit(main())
