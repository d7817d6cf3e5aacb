"""A stand-in for mongodump and mongorestore, with the options that groundcrew gives them.

The name decides which one it is. An archive is a line of JSON for each collection and document.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from bson import json_util  # type: ignore[import-not-found]
from pymongo import MongoClient  # type: ignore[import-not-found]


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    for name in ("uri", "config", "db", "nsInclude"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--archive", nargs="?", const="-")
    parser.add_argument("--stopOnError", action="store_true")
    return parser.parse_args()


def dump(client: Any, database: str) -> None:
    for name in client[database].list_collection_names():
        indexes = client[database][name].index_information()
        print(json.dumps({"collection": name, "indexes": indexes}, default=str))
        for document in client[database][name].find():
            print(json_util.dumps({"document": document}))


def restore(client: Any, database: str, archive: str) -> None:
    collection = None
    for line in Path(archive).read_text().splitlines():
        entry = json_util.loads(line)
        if "collection" in entry:
            collection = client[database][entry["collection"]]
            for name, index in entry["indexes"].items():
                if name != "_id_":
                    collection.create_index([tuple(pair) for pair in index["key"]], name=name)
        elif collection is not None:
            collection.insert_one(entry["document"])


def main() -> None:
    given = parsed()
    password = json.loads(Path(given.config).read_text())["password"]
    client = MongoClient(given.uri, password=password)
    if Path(sys.argv[0]).name == "mongodump":
        dump(client, given.db)
    else:
        restore(client, given.nsInclude.removesuffix(".*"), given.archive)


if __name__ == "__main__":
    main()
