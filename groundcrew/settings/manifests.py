"""Reads `apps/NAME.yml`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from groundcrew.settings import patterns, yaml
from groundcrew.settings.errors import Problem, nearest

NAME = re.compile(patterns.PART)

# A system user, a unit and directories in /srv and /run are named after the application.
_TAKEN = """
    adm audio backup bin cdrom console cron daemon dbus deploy dialout dip disk docker fax
    floppy games git gnats groundcrew initctl irc kmem list lock log lp mail man mariadb
    memcache mount mysql netdev news nginx nobody nogroup ntp operator plugdev postfix postgres
    postgresql prometheus proxy redis root rpc rsyslog run sasl screen sendsigs sgx shadow shm
    src sshd staff sudo sync sys syslog systemd tape tmux tty udev user users utmp uucp uuidd
    uwsgi valkey video voice web www-data
"""
RESERVED = frozenset(_TAKEN.split())
ACCOUNTS = ("-build", "-web")
"""Ends of the names of an application's other accounts (`AppPaths.build_user`, `socket_group`)."""


def names(project: Path) -> list[str]:
    """Names of all manifests in `apps/`."""
    return sorted(path.stem for path in (project / "apps").glob("*.yml"))


def read(project: Path, name: str) -> tuple[dict[str, Any] | None, list[Problem]]:
    """The manifest's mapping, or None and what is wrong with it."""
    layer = f"apps/{name}.yml"

    def wrong(message: str) -> tuple[None, list[Problem]]:
        return None, [Problem(f"app.{name}", layer, message)]

    if not NAME.match(name):
        meant = patterns.instead(patterns.PART, name)
        hint = f'; did you mean "{meant}"?' if meant else ""
        return wrong(
            f"an application's name is 1-24 of a-z, 0-9 and -, starting with a letter{hint}"
        )
    if name in RESERVED:
        return wrong(f'"{name}" is the name of a system user or directory; choose another')
    for end in ACCOUNTS:
        other = name.removesuffix(end)
        if other != name and other in names(project):
            return wrong(f'"{name}" is an account of the application "{other}"; choose another')
    try:
        data = yaml.parse((project / layer).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return wrong(f"no such manifest{nearest(name, names(project))}")
    except OSError as error:
        return wrong(f"cannot be read: {error.strerror}")
    except UnicodeDecodeError as error:
        return wrong(f"cannot be read: not UTF-8 (byte {error.start + 1})")
    except yaml.YamlError as error:
        return wrong(f"not valid YAML: {error}")
    if not isinstance(data, dict):
        return wrong("expected a mapping of settings")
    return data, []
