"""Parses YAML as people and editors expect it: plain values as in version 1.2, no duplicate
keys."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Hashable
from typing import Any

from yaml import MappingNode, MarkedYAMLError, Node, SafeLoader, ScalarNode, SequenceNode, YAMLError
from yaml.reader import ReaderError

MAPPING = "tag:yaml.org,2002:map"
MERGE = "tag:yaml.org,2002:merge"


class YamlError(Exception):
    """The text is not valid YAML; the message says what and where, on one line."""


class WrittenError(YamlError):
    """A value would become a different one than is written."""


class _Loader(SafeLoader):
    """A loader for plain values as in YAML 1.2. PyYAML follows YAML 1.1, where `no` is false, `010`
    is 8, `12:30` is 750 and `2026-01-31` a date; here these are strings. A duplicate key is an
    error instead of a silent loss."""

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


TEXT = "tag:yaml.org,2002:str"
PLAIN = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("bool", "int", "float"))


def parse(text: str, written: str | None = None) -> Any:
    """The document's value.

    In the mapping under the key `written` (environment variables), values keep their spelling: a
    number or boolean that JSON would spell differently is text (`3.10`, `+49`, `True`). In nested
    lists and mappings, which are passed as JSON, such a number is an error. Raises YamlError.
    """

    def keep(loader: _Loader, node: Node) -> None:
        if written:
            _keep_written(loader, node, written)

    return _document(text, keep)


def _document(text: str, change: Callable[[_Loader, Node], None]) -> Any:
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        change(loader, node)
        return loader.construct_document(node)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        raise YamlError(f"{error.problem or error.context}{where}") from None
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise YamlError(f"{error.reason} (line {line})") from None
    except (YAMLError, ValueError) as error:
        raise YamlError(" ".join(str(error).split())) from None


def texts(text: str) -> Any:
    """The document's value, in which numbers and booleans are texts as they are written. Raises
    YamlError."""
    return _document(text, _as_texts)


def _as_texts(loader: _Loader, root: Node) -> None:
    del loader
    nodes, seen = [root], set()
    while nodes:
        node = nodes.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, ScalarNode) and node.tag in PLAIN:
            node.tag = TEXT
        elif isinstance(node, SequenceNode):
            nodes += node.value
        elif isinstance(node, MappingNode):
            nodes += [item for pair in node.value for item in pair]


def spelled(value: Any) -> str:
    """The spelling of a number or boolean when it becomes text."""
    return json.dumps(value)


def _keep_written(loader: _Loader, root: Node, key: str) -> None:
    if not isinstance(root, MappingNode):
        return
    for name, block in root.value:
        if name.value != key or not isinstance(block, MappingNode):
            continue
        for variable, node in block.value:
            if not isinstance(node, ScalarNode):
                _refuse_changed(loader, node, f"{key}.{variable.value}", set())
            elif _changed(loader, node) is not None:
                node.tag = TEXT


def _changed(loader: _Loader, node: ScalarNode) -> str | None:
    """The spelling that a plain value would get; None if it is as written."""
    if node.tag not in PLAIN or node.style:
        return None
    spelling = spelled(loader.construct_object(node))
    # A value that is used in several places (`&`, `*`) is constructed once.
    loader.constructed_objects.pop(node, None)
    return spelling if spelling != node.value else None


def _refuse_changed(loader: _Loader, node: Node, key: str, seen: set[int]) -> None:
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, ScalarNode):
        changed = _changed(loader, node)
        if changed is not None and not node.tag.endswith(":bool"):
            line = node.start_mark.line + 1
            raise WrittenError(
                f"{key}: {node.value} would become {changed}: put it in quotes, or write the "
                f"number so (line {line})"
            )
    elif isinstance(node, SequenceNode):
        for item in node.value:
            _refuse_changed(loader, item, key, seen)
    elif isinstance(node, MappingNode):
        for _, item in node.value:
            _refuse_changed(loader, item, key, seen)
