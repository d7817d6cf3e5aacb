"""Translates pydantic's errors into terms of YAML."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from groundcrew.model import WrongValueError
from groundcrew.settings import patterns

_EXPECTED = {
    "number_type": "{expected}",
    "int_type": "an integer",
    "int_parsing": "an integer",
    "int_from_float": "an integer",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "a string",
    "string_pattern_mismatch": "{words}",
    "string_too_long": "at most {max_length} characters",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "literal_error": "{expected}",
    "kind": "{expected}",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "tuple_type": "a list",
    "list_type": "a list",
    "too_short": "at least {min_length} in the list",
    "invalid_key": "a string as key",
}
LONGEST = 60
"""Maximum length of a wrong value that is shown."""


def describe(items: Sequence[Mapping[str, Any]], value: Any, *, secret: bool) -> str:
    """One sentence for all errors of one key with the given `value`.

    A `secret` value is not shown, only its type.
    """
    wanted: list[str] = []
    texts: list[str] = []
    for item in items:
        phrase = _EXPECTED.get(item["type"])
        context = dict(item.get("ctx", {}))
        if "pattern" in context:
            context["words"] = patterns.in_words(context["pattern"])
        text = _yaml(phrase.format(**context)) if phrase else _sentence(item["msg"], context)
        if item["loc"][-1] == "[key]":
            text = f"{text} as key"
        target = wanted if phrase else texts
        if text not in target:
            target.append(text)
    if wanted:
        in_a_key = any(
            item["loc"][-1] == "[key]" or item["type"] == "invalid_key" for item in items
        )
        got = "" if in_a_key else f", got {given(value, secret=secret)}"
        hint = _hint(value, wanted, secret=secret) or _instead(items, secret=secret)
        texts.insert(0, f"expected {' or '.join(wanted)}{got}{hint}")
    return "; ".join(texts)


def given(value: Any, *, secret: bool) -> str:
    """The given value in YAML's terms."""
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    if secret:
        return "another value"
    if value is None or isinstance(value, (bool, int, float, str)):
        text = json.dumps(value, ensure_ascii=False)
        return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
    return f"a {type(value).__name__}"


def _hint(value: Any, wanted: Sequence[str], *, secret: bool) -> str:
    if secret:
        return ""
    if "a string" in wanted and isinstance(value, (bool, int, float)):
        return "; put it in quotes"
    if "a list" in wanted and isinstance(value, str):
        return "; put it in [ ]"
    return ""


def _instead(items: Sequence[Mapping[str, Any]], *, secret: bool) -> str:
    replacements = {
        patterns.instead(item.get("ctx", {}).get("pattern", ""), item.get("input"))
        for item in items
    }
    meant = replacements.pop() if len(replacements) == 1 and not secret else None
    return f'; did you mean "{meant}"?' if meant else ""


def _yaml(text: str) -> str:
    """Python's constants as YAML spells them."""
    words = {"True": "true", "False": "false", "None": "null"}
    return words.get(text, text)


def _sentence(text: str, context: Mapping[str, Any]) -> str:
    if isinstance(error := context.get("error"), WrongValueError):
        return error.message
    text = text.removeprefix("Value error, ").removeprefix("Assertion failed, ")
    if text.startswith("Input should be "):
        text = "expected " + text.removeprefix("Input should be ")
    return text[:1].lower() + text[1:]
