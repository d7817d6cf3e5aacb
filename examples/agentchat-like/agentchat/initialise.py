"""Creates tables and default data: `python -m agentchat.initialise`, once, before any worker.

Several workers that did this at the same time on an empty database would fail ("table already
exists") or store the default tools several times.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing

from agentchat.settings import load

DEFAULT_TOOLS = ("search", "weather", "calculator", "translate", "mail")


def main() -> None:
    with closing(sqlite3.connect(load()["database"]["path"])) as connection, connection:
        if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'tool'").fetchone():
            return
        connection.execute("CREATE TABLE tool (id INTEGER PRIMARY KEY, name TEXT NOT NULL)")
        connection.executemany("INSERT INTO tool (name) VALUES (?)", [(t,) for t in DEFAULT_TOOLS])


if __name__ == "__main__":
    main()
