"""Plain values as YAML 1.2 reads them."""

from __future__ import annotations

import pytest

from groundcrew.settings.yaml import WrittenError, YamlError, parse


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
    parsed = parse(f"key: {text}\n")["key"]
    assert (parsed, type(parsed)) == (value, type(value))


def test_anchors_and_merge_keys() -> None:
    text = "one: &one {a: 1, b: 2}\ntwo:\n  <<: *one\n  b: 3\n"
    assert parse(text)["two"] == {"a": 1, "b": 3}


def test_a_key_given_twice_is_an_error_at_any_depth() -> None:
    with pytest.raises(YamlError, match=r'key "b" is given twice \(line 3, column 5\)'):
        parse("- a:\n    b: 1\n    b: 2\n")


def test_nothing_is_executed() -> None:
    with pytest.raises(YamlError, match="could not determine a constructor"):
        parse("a: !!python/object/apply:os.system ['true']\n")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3.10", "3.10"),
        ("+493012345678", "+493012345678"),
        ("12345e67", "12345e67"),
        (".50", ".50"),
        ("1e5", "1e5"),
        ("0.1000000000000000055", "0.1000000000000000055"),
        ("0123", "0123"),
        ("-0", "-0"),
        ("1.", "1."),
        ("True", "True"),
        ("FALSE", "FALSE"),
        ("on", "on"),
        ("12:30", "12:30"),
        ("2026-01-31", "2026-01-31"),
        ("1.5", 1.5),
        ("8", 8),
        ("true", True),
        ("~", None),
    ],
)
def test_a_variable_is_what_is_written(text: str, value: object) -> None:
    values = parse(f"env: {{KEY: {text}}}\nother: {{KEY: 3.10}}\n", written="env")
    assert (values["env"]["KEY"], type(values["env"]["KEY"])) == (value, type(value))
    assert values["other"] == {"KEY": 3.1}


@pytest.mark.parametrize("text", ["[1, 3.10]", "{a: {b: [3.10]}}", "[&x 3.10, *x]"])
def test_a_number_in_a_variables_json_is_not_spelled_in_another_way(text: str) -> None:
    with pytest.raises(WrittenError, match=r"env.KEY: 3.10 would become 3.1: put it in quotes, or"):
        parse(f"env:\n  KEY: {text}\n", written="env")
    assert parse("env: {KEY: [1, 1.5, 'x', True, ~]}", written="env") == {
        "env": {"KEY": [1, 1.5, "x", True, None]}
    }


def test_a_value_that_stands_in_several_places() -> None:
    assert parse("a: &x 3.10\nenv: {KEY: *x, L: [*x]}", written="other")["env"]["L"] == [3.1]
    assert parse("env: {KEY: &x 3.10, MORE: *x}", written="env")["env"]["MORE"] == "3.10"
