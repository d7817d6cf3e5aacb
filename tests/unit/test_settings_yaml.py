"""Plain values as YAML 1.2 reads them."""

from __future__ import annotations

import pytest

from groundcrew.settings.yaml import YamlError, parse


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("null", None),
        ("12", 12),
        ("-3", -3),
        ("0", 0),
        ("010", "010"),
        ("0x10", "0x10"),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("1.2.3", "1.2.3"),
        ("2026-01-31", "2026-01-31"),
        ("'12'", "12"),
        ("=", "="),
    ],
)
def test_plain_values(text: str, value: object) -> None:
    found = parse(f"key: {text}\n")["key"]
    assert (found, type(found)) == (value, type(value))


def test_anchors_and_merge_keys() -> None:
    text = "one: &one {a: 1, b: 2}\ntwo:\n  <<: *one\n  b: 3\n"
    assert parse(text)["two"] == {"a": 1, "b": 3}


def test_a_key_given_twice_is_an_error_at_any_depth() -> None:
    with pytest.raises(YamlError, match=r'key "b" is given twice \(line 3, column 5\)'):
        parse("- a:\n    b: 1\n    b: 2\n")


def test_nothing_is_executed() -> None:
    with pytest.raises(YamlError, match="could not determine a constructor"):
        parse("a: !!python/object/apply:os.system ['true']\n")
