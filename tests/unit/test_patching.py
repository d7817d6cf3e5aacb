"""A pyinfra that is not what was expected ends the run at its start, and says which part."""

from __future__ import annotations

import pytest

from groundcrew.adapter.patching import UnexpectedPyinfraError, expect, replace, replaced


class Part:
    def connect(self, hostname: str) -> str:
        return hostname


def test_what_is_expected_is_there() -> None:
    assert expect(Part, "connect", "hostname") is Part.connect


@pytest.mark.parametrize(("name", "parameter"), [("connect", "host"), ("connected", "hostname")])
def test_what_is_not_is_named_with_who_needs_it(name: str, parameter: str) -> None:
    with pytest.raises(UnexpectedPyinfraError) as told:
        expect(Part, name, parameter)
    assert f"{__name__}.Part.{name} is not what {__name__} was written for" in str(told.value)


def test_a_part_is_replaced_once() -> None:
    for _ in range(2):
        replace(Part, "connect", lambda original: lambda self, host: original(self, f"<{host}>"))
    assert replaced(Part, "connect")
    assert Part().connect("web1") == "<web1>"
    assert Part.connect.__name__ == "connect"
