"""sudo asks for a password."""

from __future__ import annotations

import pytest
from pyinfra.connectors import util

from groundcrew.adapter import sudo_password


@pytest.fixture(autouse=True)
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(prompt: str = "Password: ") -> str:
        if "nobody" in prompt:
            raise EOFError
        return "typed"

    monkeypatch.setattr(util, "getpass", ask)
    sudo_password.install()


def test_somebody_types_it() -> None:
    assert util.getpass("[web1] sudo password: ") == "typed"


def test_nobody_is_there_to_type_it() -> None:
    with pytest.raises(sudo_password.NobodyToAskError, match="_sudo_password"):
        util.getpass("nobody: ")
