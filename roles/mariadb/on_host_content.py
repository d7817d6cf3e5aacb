"""What tells the copies of MariaDB's data from any others, and what a scratch server lacks of it.

Runs on the host as root. Standard library and `groundcrew.remote` only, Python 3.9 or later.
"""

from __future__ import annotations

from typing import Any

from groundcrew.roles.mariadb.on_host import SOCKET, ServerError, client, quoted

Data = dict[str, Any]
MOST = 200
"""Tables of a database that are noted. Their names are the application's."""

DATABASES = "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA;"
# No table is read: a view may take its place at any moment and would be run with root's rights, and
# its owner may lock it. Names may contain any letter; in hexadecimal they are one word.
TABLES = """
SET SESSION lock_wait_timeout = 10, max_statement_time = 60;
SELECT HEX(TABLE_NAME), COALESCE(TABLE_ROWS, 0) > 0 FROM information_schema.TABLES
WHERE TABLE_SCHEMA = {} AND TABLE_TYPE = 'BASE TABLE' ORDER BY TABLE_NAME LIMIT {};
"""


def content_of(request: Data, socket: str = SOCKET) -> Data:
    """Tables, and whether there is a row, of each database of an application that there is; no
    tables of one that cannot be read. The server estimates numbers of rows. While it runs, it knows
    none from one; a scratch server counts them when it opens a table."""
    wanted = {item["database"] for item in request["accounts"]}
    there = set(client(DATABASES, socket).splitlines())
    return {"databases": {item: _database(item, socket) for item in sorted(wanted & there)}}


def _database(database: str, socket: str) -> Data:
    try:
        told = client(TABLES.format(quoted(database), MOST), socket)
    except ServerError:
        # It has a table that is locked for long, or too many. All others are backed up.
        return {"tables": [], "rows": False}
    counts = [line.split("\t") for line in told.splitlines()]
    tables = [bytes.fromhex(name).decode(errors="replace") for name, _ in counts]
    return {"tables": tables, "rows": any(rows == "1" for _, rows in counts)}
