"""`groundcrew schema`: the JSON Schema of manifests."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from groundcrew.settings.schema import app_schema


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the schema and returns the exit status."""
    about = "Print the JSON Schema of apps/NAME.yml, with which editors complete and check it."
    argparse.ArgumentParser(prog="groundcrew schema", description=about).parse_args(arguments)
    print(json.dumps(app_schema(), indent=2, ensure_ascii=False))
    return 0
