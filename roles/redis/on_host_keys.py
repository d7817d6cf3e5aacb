"""Copies an application's keys from one server of Redis to another, or to a file.

The file consists of commands as a server reads them: `redis-cli --pipe` brings its keys back.
Runs on the host as root. Standard library and `groundcrew.remote` only, Python 3.9 or later.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence

from groundcrew.roles.redis.on_host_resp import Client, Word, encode

BATCH = 100
NEVER = -1


def matching(prefix: str) -> str:
    """A pattern of all keys that begin with a text."""
    return re.sub(r"([*?\[\]\\^-])", r"\\\1", prefix) + "*"


def databases(client: Client) -> list[int]:
    """The numbers of the databases that have keys."""
    text = client.ask("INFO", "keyspace").decode()
    return [int(item) for item in re.findall(r"^db([0-9]+):", text, re.MULTILINE)]


def batches(client: Client, pattern: str) -> Iterator[tuple[int, list[bytes]]]:
    """The keys of a server by database. The client stays in the database of the last batch. A key
    can be in two batches."""
    for number in databases(client):
        client.ask("SELECT", number)
        cursor = b"0"
        while True:
            cursor, keys = client.ask("SCAN", cursor, "MATCH", pattern, "COUNT", BATCH)
            if keys:
                yield number, keys
            if cursor == b"0":
                break


def restoring(client: Client, keys: Sequence[bytes]) -> list[list[Word]]:
    """The commands that make keys again, with the moments at which they expire."""
    asked: list[tuple[Word, ...]] = [
        (word, key) for key in keys for word in ("DUMP", "PEXPIRETIME")
    ]
    answers = client.ask_all(asked)
    commands: list[list[Word]] = []
    for number, key in enumerate(keys):
        value, expires = answers[2 * number : 2 * number + 2]
        if value is not None:
            ends = 0 if expires == NEVER else expires
            commands.append(["RESTORE", key, ends, value, "REPLACE", *(["ABSTTL"] if ends else [])])
    return commands


def copy(source: Client, pattern: str, give: Callable[[list[list[Word]]], object]) -> int:
    """Gives the commands that make all matching keys again to `give`, in batches. Returns the
    number of keys."""
    count = 0
    for number, keys in batches(source, pattern):
        commands = restoring(source, keys)
        if commands:
            give([["SELECT", number], *commands])
        count += len(commands)
    return count


def remove(client: Client, pattern: str) -> None:
    """Removes all matching keys."""
    for _, keys in batches(client, pattern):
        client.ask("UNLINK", *keys)


def keep(client: Client, pattern: str, path: str) -> None:
    """Stores all matching keys in a file that only root can read, unless it is there already."""
    if os.path.exists(path):
        return
    with open(os.open(f"{path}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        copy(client, pattern, lambda commands: file.writelines(encode(item) for item in commands))
        file.flush()
        os.fsync(file.fileno())
    os.replace(f"{path}.new", path)
