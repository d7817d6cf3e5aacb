"""Reads `apps/NAME.yml`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from groundcrew.settings import patterns, reserved, yaml
from groundcrew.settings.errors import Problem, nearest

NAME = re.compile(patterns.PART)

ACCOUNTS = ("-build", "-web")
"""Suffixes of the names of an application's other accounts (`AppPaths.build_user`,
`socket_group`)."""


def names(project: Path) -> list[str]:
    """Names of all manifests in `apps/`."""
    return sorted(path.stem for path in (project / "apps").glob("*.yml"))


def read(project: Path, name: str) -> tuple[dict[str, Any] | None, list[Problem]]:
    """The manifest's mapping, or None and its problems."""
    layer = f"apps/{name}.yml"

    def wrong(message: str) -> tuple[None, list[Problem]]:
        return None, [Problem(f"app.{name}", layer, message)]

    if not NAME.match(name):
        meant = patterns.instead(patterns.PART, name)
        hint = f'; did you mean "{meant}"?' if meant else ""
        return wrong(
            f"an application's name is 1-24 of a-z, 0-9 and -, starting with a letter{hint}"
        )
    if reserved.is_taken(name):
        return wrong(f'"{name}" is the name of a system user or directory; choose another')
    for end in ACCOUNTS:
        other = name.removesuffix(end)
        if other != name and other in names(project):
            return wrong(f'"{name}" is an account of the application "{other}"; choose another')
    try:
        data = yaml.parse((project / layer).read_text(encoding="utf-8"), written="env")
    except FileNotFoundError:
        return wrong(f"no such manifest{nearest(name, names(project))}")
    except OSError as error:
        return wrong(f"cannot be read: {error.strerror}")
    except UnicodeDecodeError as error:
        return wrong(f"cannot be read: not UTF-8 (byte {error.start + 1})")
    except yaml.WrittenError as error:
        return wrong(str(error))
    except yaml.YamlError as error:
        return wrong(f"not valid YAML: {error}")
    if not isinstance(data, dict):
        return wrong("expected a mapping of settings")
    return data, []
