"""What restored databases lack of what was noted when they were copied.

A library; standard library only, Python 3.9 or later.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Database = Mapping[str, Any]
"""`tables`: names; `rows`: whether a table has one; and `owner`, where databases have one."""


def lacks(
    there: Mapping[str, Database], noted: Mapping[str, Database], live: Mapping[str, Database]
) -> list[str]:
    """A line for each thing that restored databases lack. What the live server does not have either
    was removed after it was noted."""
    return [line for name, known in noted.items()
            for line in _lacks(name, known, there.get(name), live.get(name, known))]  # fmt: skip


def _lacks(name: str, known: Database, restored: Database | None, now: Database) -> Iterator[str]:
    if restored is None:
        yield f"the database {name} is not in the backup"
        return
    if restored.get("owner") != known.get("owner"):
        yield f"the database {name} belongs to {restored['owner']}, not to {known['owner']}"
    gone = [item for item in known["tables"] if item not in restored["tables"]]
    gone = [item for item in gone if item in now["tables"]]
    if gone:
        yield (
            f"the database {name} lacks {len(gone)} of {len(known['tables'])} tables: {gone[0]}"
            f"{', ...' if gone[1:] else ''}"
        )
    elif known["rows"] and now["rows"] and not restored["rows"]:
        yield f"the database {name} has no row in any table, and had some when it was copied"
