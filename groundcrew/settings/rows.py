"""A host's resolved settings, one by one, with the layer of each. Secrets are masked."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from groundcrew.manifest.secret import KINDS
from groundcrew.settings.load import Loaded
from groundcrew.settings.merge import DEFAULTS, Merged, Path

MASK = "******"

_PASSWORD = re.compile(r"(\w://[^/\s:@]*:)[^@/\s]+@")


SECRETS = (("secrets",), ("build_secrets",))


@dataclass(frozen=True)
class Row:
    """One value, and the layer that set it."""

    key: str
    value: Any
    layer: str

    @property
    def changed(self) -> bool:
        """Whether somebody has set it."""
        return self.layer != DEFAULTS


def rows(loaded: Loaded[Any]) -> list[Row]:
    """Every value of a host, nested keys dotted. Secrets, and passwords in URLs, are masked."""
    data = loaded.settings.model_dump(mode="json", by_alias=True, exclude={"settings"})
    return list(_rows(data, (), loaded.merged))


def _rows(node: Any, path: Path, merged: Merged) -> Iterator[Row]:
    if path[:1] == ("app",) and path[2:3] in SECRETS and len(path) > 3:
        yield Row(".".join(path), _masked_secret(node), merged.origin((*path, _kind(node))))
    elif path == ("secrets", "command") and node is not None:
        yield Row(".".join(path), f"{MASK} (command)", merged.origin(path))
    elif isinstance(node, Mapping) and node:
        for key, value in node.items():
            yield from _rows(value, (*path, str(key)), merged)
    else:
        yield Row(".".join(path), _without_password(node), merged.origin(path))


def _kind(source: Mapping[str, Any]) -> str:
    return next(kind for kind in KINDS if source[kind] is not None)


def _masked_secret(source: Mapping[str, Any]) -> str:
    kind = _kind(source)
    # A command may contain a secret.
    place = f" {source[kind]}" if kind in ("stored", "env", "file") else ""
    return f"{MASK} ({kind}{place})"


def _without_password(value: Any) -> Any:
    if isinstance(value, str):
        return _PASSWORD.sub(rf"\g<1>{MASK}@", value)
    if isinstance(value, list):
        return [_without_password(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _without_password(item) for key, item in value.items()}
    return value


def below(rows: Iterable[Row], key: str | None) -> list[Row]:
    """The rows of one block or value; all if `key` is None."""
    return [row for row in rows if key is None or row.key == key or row.key.startswith(f"{key}.")]


def shown(value: Any) -> str:
    """A value as text: JSON, except that strings have no quotes."""
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)
