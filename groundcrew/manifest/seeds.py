"""Initial content of kept directories: files of the source that are copied once."""

from __future__ import annotations

import shlex

from groundcrew.manifest.model import AppSettings
from groundcrew.manifest.paths import AppPaths

FOLDER = ".groundcrew-seeds"
"""In a release, directory of the source's files for shared directories of the same name. In the
application's home, directory of the notes on which ones have been filled."""
HALF = ".groundcrew-seeding"
"""Directory beside the data in which files are completed before they are moved into place."""


def place(directory: str, seed: str) -> str:
    """Path of the files for a shared directory, relative to the release's `app`."""
    return f"{FOLDER}/{directory}" if directory == seed else seed


def scripts(paths: AppPaths, release: str, app: AppSettings) -> list[str]:
    """Shell scripts that fill the directories, run as the application's user. A directory that is
    not empty, or has been filled before, is left alone."""
    return [
        script(
            f"{paths.release(release)}/app/{place(directory, seed)}",
            f"{paths.shared}/{directory}",
            f"{paths.home}/{FOLDER}/{directory.replace('/', '.')}",
        )
        for directory, seed in sorted(app.seeds.items())
    ]


def script(seed: str, directory: str, note: str) -> str:
    """Shell script that fills one directory. `note` is the file that marks it as filled.

    Existing files are never replaced, even if filling was interrupted and starts again.
    """
    done, begun = shlex.quote(note), shlex.quote(f"{note}.begun")
    seed, half = shlex.quote(f"{seed}/."), shlex.quote(f"{directory}/{HALF}")
    directory = shlex.quote(directory)
    return "\n".join(
        [
            f"[ -e {done} ] && exit 0",
            "set -e",
            # nginx can read the files if it can read the directory.
            "umask 027",
            f'mkdir -p "$(dirname {done})"',
            f'exec 9>>"$(dirname {done})/lock"',
            "flock 9",
            f"[ -e {done} ] && exit 0",
            f"if [ -e {begun} ] || "
            f'[ -z "$(ls -A {directory} | grep -vxF -e lost+found -e {HALF})" ]; then',
            f"  echo 'filling {directory} for the first time'",
            f"  : > {begun}",
            f"  rm -rf {half}",
            f"  mkdir {half}",
            f"  cp -R {seed} {half}",
            f"  chmod -R u+rwX {half}",
            f"  find {half} -mindepth 1 -maxdepth 1 -exec mv -n -t {directory} {{}} +",
            f"  rm -rf {half}",
            "fi",
            f": > {done}",
            f"rm -f {begun}",
        ]
    )
