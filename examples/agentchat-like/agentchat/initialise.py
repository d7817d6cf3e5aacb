"""Creates tables and default data: `python -m agentchat.initialise`, once, before any worker.

Several workers that did this at the same time on an empty database would fail ("table already
exists") or store the default tools several times.
"""

from __future__ import annotations

from agentchat.storage import database

DEFAULT_TOOLS = ("search", "weather", "calculator", "translate", "mail")


def main() -> None:
    with database() as connection, connection.cursor() as cursor:
        columns = "id INTEGER PRIMARY KEY AUTO_INCREMENT, name VARCHAR(50) NOT NULL"
        cursor.execute(f"CREATE TABLE IF NOT EXISTS tool ({columns})")
        cursor.execute("SELECT count(*) FROM tool")
        if cursor.fetchone() == (0,):
            cursor.executemany("INSERT INTO tool (name) VALUES (%s)", DEFAULT_TOOLS)


if __name__ == "__main__":
    main()
