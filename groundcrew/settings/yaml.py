"""YAML as people and editors read it today: version 1.2's plain values, and no key twice."""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

from yaml import MappingNode, MarkedYAMLError, SafeLoader, YAMLError, load
from yaml.reader import ReaderError

MAPPING = "tag:yaml.org,2002:map"
MERGE = "tag:yaml.org,2002:merge"


class YamlError(Exception):
    """The text is no YAML; the message says what and where, on one line."""


class _Loader(SafeLoader):
    """PyYAML follows YAML 1.1, where `no` is false, `010` is 8, `12:30` is 750 and `2026-01-31` a
    date. Here these are strings, as in YAML 1.2. A key given twice is an error instead of a
    silent loss."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012


for _tag, _pattern, _first in (
    ("null", r"^(?:~|null|Null|NULL|)$", [*"~nN", ""]),
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("int", r"^[-+]?(?:0|[1-9][0-9]*)$", "-+0123456789"),
    ("float", r"^[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?$",
     "-+.0123456789"),
    ("merge", r"^<<$", "<"),
):  # fmt: skip
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), list(_first))


def _mapping(loader: _Loader, node: MappingNode) -> dict[Hashable, Any]:
    seen: set[Hashable] = set()
    for key_node, _ in node.value:
        if key_node.tag == MERGE:
            continue
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, Hashable):
            raise MarkedYAMLError(problem="a key must be plain", problem_mark=key_node.start_mark)
        if key in seen:
            problem = f'key "{key}" is given twice'
            raise MarkedYAMLError(problem=problem, problem_mark=key_node.start_mark)
        seen.add(key)
    return SafeLoader.construct_mapping(loader, node, deep=True)


_Loader.add_constructor(MAPPING, _mapping)


def parse(text: str) -> Any:
    """The document's value. Raises YamlError."""
    try:
        return load(text, Loader=_Loader)  # noqa: S506 - derives from SafeLoader
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        raise YamlError(f"{error.problem or error.context}{where}") from None
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise YamlError(f"{error.reason} (line {line})") from None
    except (YAMLError, ValueError) as error:
        raise YamlError(" ".join(str(error).split())) from None
