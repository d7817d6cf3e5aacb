"""What tells copies of PostgreSQL's data from any others, and what a scratch server lacks of it.

Runs on the host as root, as part of this role's other programs. Standard library and
`groundcrew.remote` only, Python 3.9 or later.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from groundcrew.remote.backup_content import lacks
from groundcrew.remote.backup_source import Scratch
from groundcrew.roles.postgresql.on_host_scratch import reach
from groundcrew.roles.postgresql.on_host_server import ServerError, literal, name, psql

Data = dict[str, Any]
MOST = 200
"""Tables of a database that are noted. Their names are the application's."""

SYSTEM = "SELECT system_identifier FROM pg_control_system()"
OWNER = "SELECT pg_catalog.pg_get_userbyid(datdba) FROM pg_catalog.pg_database WHERE datname = {}"
# Nothing that an application has made may take the place of a function or operator here.
SAFE = "SET search_path = pg_catalog; SET statement_timeout = '60s';\n"
TABLES = """
SELECT coalesce(json_agg(json_build_array(s, t)), '[]') FROM (
  SELECT n.nspname AS s, c.relname AS t
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND n.nspname <> 'information_schema'
    AND left(n.nspname, 3) <> 'pg_' ORDER BY 1, 2 LIMIT {most}) found
"""


def content_of(request: Data, server: Mapping[str, str] | None = None) -> Data:
    """The server's number, and owner, tables and whether there is a row, of each database of an
    application that there is. `server` is as for `psql`."""
    found = {}
    for database in sorted({item["database"] for item in request["accounts"]}):
        owner = psql(OWNER.format(literal(database)), server=server)
        if owner:
            tables = json.loads(psql(SAFE + TABLES.format(most=MOST), database, server))
            found[database] = {
                "owner": owner,
                "tables": [f"{schema}.{table}" for schema, table in tables],
                "rows": _has_rows(database, tables, server),
            }
    return {"system": psql(SYSTEM, server=server), "databases": found}


def _has_rows(
    database: str, tables: list[tuple[str, str]], server: Mapping[str, str] | None
) -> bool:
    asked = (f"EXISTS (SELECT FROM {name(schema)}.{name(table)})" for schema, table in tables)
    whether = " OR ".join(asked)
    return bool(whether) and psql(f"{SAFE}SELECT {whether}", database, server) == "t"


def compare(request: Data, scratch: Scratch, content: Data) -> list[str]:
    """See `groundcrew/remote/backup_source.py`."""
    there = content_of(request, reach(request, scratch))
    if there["system"] != content["system"]:
        return [f"it is the data of server {there['system']}, not of {content['system']}"]
    try:
        live = content_of(request)
    except ServerError:
        live = {"databases": {}}
    return lacks(there["databases"], content["databases"], live["databases"])
