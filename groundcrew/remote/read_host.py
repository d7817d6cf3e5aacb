"""Reports the data that roles read on a host.

Runs on the host as root, as `python3 -c SCRIPT REQUEST`; REQUEST is a JSON list as described in
`groundcrew/remote/reads.py`. Prints one line of JSON with a key per section. Standard library only,
Python 3.9 or later.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from groundcrew.remote.printable import all_printable
from groundcrew.remote.reads import read_all


def main() -> int:
    """Prints the report."""
    report: dict[str, Any] = {}
    read_all(json.loads(sys.argv[1]), report)
    print(json.dumps(all_printable(report)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
