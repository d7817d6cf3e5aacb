"""Ends a run in which sudo asks for a password and nobody is there to type it."""

from __future__ import annotations

from collections.abc import Callable

from pyinfra.api.exceptions import PyinfraError
from pyinfra.connectors import util

from groundcrew.adapter.patching import expect, replace

Ask = Callable[..., str]


class NobodyToAskError(PyinfraError):
    """sudo's password is needed."""


def install() -> None:
    """Applies the change, once. Raises UnexpectedPyinfraError if pyinfra is not as expected."""
    expect(util, "getpass", "prompt")
    replace(util, "getpass", _or_explain)


def _or_explain(ask: Ask) -> Ask:
    def ask_or_explain(prompt: str = "Password: ") -> str:
        try:
            return ask(prompt)
        except EOFError:
            raise NobodyToAskError(
                "sudo asks for a password, and nobody is there to type it: run this in a terminal, "
                "or give the host `_sudo_password` in the inventory: "
                'os.environ["SUDO_PASSWORD"]'
            ) from None

    return ask_or_explain
