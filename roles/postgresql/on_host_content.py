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
from groundcrew.roles.postgresql.on_host_server import ServerError, literal, psql

Data = dict[str, Any]
MOST = 200
"""Tables of a database that are noted. Their names are the application's."""

SYSTEM = "SELECT system_identifier FROM pg_control_system()"
OWNER = "SELECT pg_catalog.pg_get_userbyid(datdba) FROM pg_catalog.pg_database WHERE datname = {}"
# Nothing that an application has made is run, locked or waited for, as reading a table could: a
# view may take its place at any moment, or its owner may lock it. A table that has ever had a row
# has a file with something in it, until it is emptied.
CONTENT = """
SET statement_timeout = '60s';
WITH known AS (
  SELECT c.oid, c.relpersistence AS kind, n.nspname AS s, c.relname AS t
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND n.nspname <> 'information_schema'
    AND left(n.nspname, 3) <> 'pg_')
SELECT json_build_object(
  'tables', (SELECT coalesce(json_agg(s || '.' || t), '[]') FROM (
    SELECT s, t FROM known ORDER BY 1, 2 LIMIT {most}) listed),
  'rows', EXISTS (SELECT FROM known WHERE kind = 'p'
    AND (pg_stat_file(pg_relation_filepath(oid), true)).size > 0))
"""


def content_of(request: Data, server: Mapping[str, str] | None = None) -> Data:
    """The server's number, and owner, tables and whether there is a row, of each database of an
    application that there is; no tables of one that cannot be read. `server` is as for `psql`."""
    content = {}
    for database in sorted({item["database"] for item in request["accounts"]}):
        owner = psql(OWNER.format(literal(database)), server=server)
        if owner:
            content[database] = {"owner": owner, **_tables(database, server)}
    return {"system": psql(SYSTEM, server=server), "databases": content}


def _tables(database: str, server: Mapping[str, str] | None) -> Data:
    try:
        told: Data = json.loads(psql(CONTENT.format(most=MOST), database, server))
    except ServerError:
        # It lets nobody in, or has too many tables. All others are backed up.
        return {"tables": [], "rows": False}
    return told


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
