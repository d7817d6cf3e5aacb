"""Makes a restored repository readable to postgres.

Runs on the host as root, as part of this role's other programs. Standard library and
`groundcrew.remote` only, Python 3.9 or later.

What is in the repository was made by postgres: links are left out, and never followed.
"""

from __future__ import annotations

import os
import shutil

Owner = tuple[int, int]


def give_copy(source: str, target: str, owner: Owner) -> None:
    """Copies a directory that only root can reach. The copy consists of hard links where that is
    possible, and belongs to `owner` in the end."""
    os.mkdir(target, 0o700)
    with os.scandir(source) as entries:
        for entry in entries:
            path = os.path.join(target, entry.name)
            if entry.is_dir(follow_symlinks=False):
                give_copy(entry.path, path, owner)
            elif entry.is_file(follow_symlinks=False):
                _link_or_copy(entry.path, path)
                os.chown(path, *owner, follow_symlinks=False)
                os.chmod(path, 0o600)
    # Until then, only root can enter it.
    os.chown(target, *owner)


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copyfile(source, target, follow_symlinks=False)
