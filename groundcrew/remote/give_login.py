"""Prints the active login of a binding and the server's certificate, for the host that needs them.

Runs on the host as root, as `python3 -c SCRIPT` with {"store", "certificate"} on stdin. Prints
JSON: {"user", "password", "certificate"}. Standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from groundcrew.remote.credentials import active_login

if TYPE_CHECKING:
    # Types of the report, shared with what reads it; never sent to a host.
    from groundcrew.facts.logins import GivenLogin


def main() -> int:
    """Prints the login."""
    request = json.load(sys.stdin)
    login = active_login(request["store"])
    if login is None:
        print(f"there is no login in {request['store']}", file=sys.stderr)
        return 1
    try:
        with open(request["certificate"], encoding="ascii") as file:
            certificate = file.read()
    except OSError as error:
        print(f"{request['certificate']}: {error.strerror}", file=sys.stderr)
        return 1
    given: GivenLogin = {"user": login[0], "password": login[1], "certificate": certificate}
    print(json.dumps(given))
    return 0


if __name__ == "__main__":
    sys.exit(main())
