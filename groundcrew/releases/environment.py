"""Environment variables as a systemd EnvironmentFile."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr


def values(env: Mapping[str, Any], secrets: Mapping[str, SecretStr]) -> dict[str, str]:
    """Each variable as text: booleans as true/false, lists and mappings as JSON; null is left
    out."""
    texts = {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in env.items()
        if value is not None
    }
    return texts | {name: secret.get_secret_value() for name, secret in secrets.items()}


def render(variables: Mapping[str, str]) -> str:
    r"""The text of the EnvironmentFile. Values reach the process byte for byte.

    Inside double quotes systemd takes `\`, `"`, `$` and the backquote literally after a backslash,
    and line breaks as they are.
    """
    lines = []
    for name in sorted(variables):
        value = variables[name]
        for special in ("\\", '"', "$", "`"):
            value = value.replace(special, f"\\{special}")
        lines.append(f'{name}="{value}"\n')
    return "".join(lines)
