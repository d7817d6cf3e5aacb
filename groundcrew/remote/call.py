"""Calls a function of a module that is sent along.

Runs on the host as root, as `python3 -c SCRIPT` with {"module", "function", "request"} on stdin.
The function gets the request; prints what it returns as one line of JSON. Exit 1 with the reason
on stderr if it fails. With "run", the call is a step of this run (`run_lock.py`): it is refused
once another run has taken over, and makes other runs wait. Standard library only, Python 3.9 or
later.
"""

from __future__ import annotations

import importlib
import json
import sys

from groundcrew.remote.printable import all_printable, printable
from groundcrew.remote.run_lock import step


def main() -> int:
    """Calls the function."""
    wanted = json.load(sys.stdin)
    try:
        function = getattr(importlib.import_module(wanted["module"]), wanted["function"])
        with step(wanted.get("run")):
            told = function(wanted["request"])
        print(json.dumps(all_printable(told)))
    except Exception as error:
        print(printable(str(error) or type(error).__name__), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
