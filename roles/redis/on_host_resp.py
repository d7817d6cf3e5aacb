"""A client of Redis for keys and values of any bytes.

Runs on the host as root. Standard library and `groundcrew.remote` only, Python 3.9 or later.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Union

Word = Union[bytes, str, int]  # noqa: UP007 - Python 3.9
SECONDS = 120.0


class RespError(Exception):
    """The server cannot be reached or refuses a command; the message says why."""


def encode(words: Sequence[Word]) -> bytes:
    """A command as the server reads it."""
    parts = [item if isinstance(item, bytes) else str(item).encode() for item in words]
    lines = [b"*%d\r\n" % len(parts), *(b"$%d\r\n%s\r\n" % (len(item), item) for item in parts)]
    return b"".join(lines)


class Client:
    """A connection to a server over its Unix socket."""

    def __init__(self, path: str, login: tuple[str, str]) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(SECONDS)
        try:
            self._socket.connect(path)
            self._stream = self._socket.makefile("rb")
            self.ask("AUTH", *login)
        except OSError as error:
            self._socket.close()
            raise RespError(f"{path}: {error}") from None
        except BaseException:
            self.close()
            raise

    def ask(self, *words: Word) -> Any:
        """What the server answers to a command. Raises RespError."""
        return self.ask_all([words])[0]

    def ask_all(self, commands: Sequence[Sequence[Word]]) -> list[Any]:
        """What the server answers to several commands, in one round trip. Raises RespError."""
        try:
            self._socket.sendall(b"".join(encode(words) for words in commands))
            answers = [self._answer() for _ in commands]
        except OSError as error:
            raise RespError(f"the connection broke: {error}") from None
        for item in answers:
            if isinstance(item, RespError):
                raise item
        return answers

    def _answer(self) -> Any:
        line = self._stream.readline()
        if not line.endswith(b"\r\n"):
            raise RespError("the connection broke")
        kind, text = line[:1], line[1:-2]
        if kind == b"+":
            return text
        if kind == b"-":
            return RespError(text.decode(errors="replace"))
        if kind == b":":
            return int(text)
        if kind == b"$":
            return self._bytes(int(text))
        if kind == b"*":
            return [self._answer() for _ in range(int(text))]
        raise RespError(f"an answer that begins with {kind!r}")

    def _bytes(self, size: int) -> bytes | None:
        if size < 0:
            return None
        content = self._stream.read(size + 2)
        if len(content) < size + 2:
            raise RespError("the connection broke")
        return content[:-2]

    def close(self) -> None:
        """Closes the connection."""
        self._stream.close()
        self._socket.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
