"""Records changes in the history of an application's releases.

Runs on the host as root, as `python3 -c SCRIPT` with a JSON payload on stdin: {"name", "changes":
as in groundcrew/remote/history.py, "run": as in groundcrew/remote/run_lock.py}. Standard library
only, Python 3.9 or later.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from groundcrew.remote.history import note
from groundcrew.remote.run_lock import RunIsGoneError, step


def main() -> int:
    """Records the changes in the payload on stdin."""
    payload = json.load(sys.stdin)
    try:
        with step(payload["run"]):
            note(Path(f"/srv/{payload['name']}/history.json"), payload["changes"])
    except (RunIsGoneError, OSError) as error:
        print(f"{payload['name']}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
