"""What tells the copies of MariaDB's data from any others, and what a scratch server lacks of it.

Runs on the host as root. Standard library and `groundcrew.remote` only, Python 3.9 or later.
"""

from __future__ import annotations

from typing import Any

from groundcrew.roles.mariadb.on_host import SOCKET, client, name, quoted

Data = dict[str, Any]
MOST = 200
"""Tables of a database that are noted. Their names are the application's."""

DATABASES = "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA;"
# Names may contain any letter; in hexadecimal they are one word.
TABLES = """
SELECT HEX(TABLE_NAME) FROM information_schema.TABLES
WHERE TABLE_SCHEMA = {} AND TABLE_TYPE = 'BASE TABLE' ORDER BY TABLE_NAME LIMIT {};
"""
ANY = "EXISTS (SELECT 1 FROM {}.{})"


def content_of(request: Data, socket: str = SOCKET) -> Data:
    """Tables, and whether there is a row, of each database of an application that there is."""
    wanted = {item["database"] for item in request["accounts"]}
    there = set(client(DATABASES, socket).splitlines())
    return {"databases": {item: _database(item, socket) for item in sorted(wanted & there)}}


def _database(database: str, socket: str) -> Data:
    found = client(TABLES.format(quoted(database), MOST), socket).split()
    tables = [bytes.fromhex(item).decode(errors="replace") for item in found]
    asked = (ANY.format(name(database), name(table)) for table in tables)
    whether = " OR ".join(asked)
    rows = bool(whether) and client(f"SELECT {whether};", socket).strip() == "1"
    return {"tables": tables, "rows": rows}
