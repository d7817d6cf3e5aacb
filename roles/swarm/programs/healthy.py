"""Asks the application in this container for its health path: PORT PATH STATUS HOST SCHEME SECONDS.

Exit 0 if it answers with that status, else 1 with the reason, which `docker inspect` shows.
"""

from __future__ import annotations

import http.client
import sys


def problem(port: int, path: str, status: int, host: str, scheme: str, seconds: float) -> str:  # noqa: PLR0917
    """Why it is not healthy; empty if it is."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        headers = {"Host": host, "X-Forwarded-Proto": scheme, "Connection": "close"}
        connection.request("GET", path, headers=headers)
        told = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__
    finally:
        connection.close()
    return "" if told == status else f"status {told} instead of {status}"


def main() -> int:
    """Prints the reason if there is one."""
    port, path, status, host, scheme, seconds = sys.argv[1:]
    reason = problem(int(port), path, int(status), host, scheme, float(seconds))
    if reason:
        print(reason)
    return 1 if reason else 0


if __name__ == "__main__":
    sys.exit(main())
