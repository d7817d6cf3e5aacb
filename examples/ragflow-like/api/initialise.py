"""Initialisation, once per release and before any worker: `python -m api.initialise`.

In the module that the web server imports it would run in every worker, or, preloaded, start threads
that no worker has after the fork.
"""

from __future__ import annotations

import os

from api.store import SCHEMA, database


def main() -> None:
    with database() as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(SCHEMA)
        connection.execute("INSERT INTO initialisation (process) VALUES (?)", (os.getpid(),))


if __name__ == "__main__":
    main()
