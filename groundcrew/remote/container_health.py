"""Asks the server of a container for its health path.

python3 container_health.py PROTOCOL PORT HOST SCHEME PATH STATUS SECONDS: exits with 0 if the
answer of 127.0.0.1 and PORT, in `http` or `uwsgi`, has the status, and with 1 if not. Runs in the
application's container. Standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import http.client
import socket
import sys

from groundcrew.remote.app_client import at_most, http_status, uwsgi_request, whole


def status(protocol: str, port: int, url: str, headers: dict[str, str], timeout: float) -> int:
    """The status of the answer. Raises OSError and HTTPException."""
    if protocol == "http":
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
        try:
            return http_status(connection, url, headers)
        finally:
            connection.close()
    with socket.create_connection(("127.0.0.1", port), timeout) as client, at_most(timeout):
        client.sendall(uwsgi_request(url, headers))
        answer = http.client.HTTPResponse(client)
        answer.begin()
        return whole(answer).status


def main(arguments: list[str]) -> int:
    """The exit status."""
    protocol, port, host, scheme, url, wanted, timeout = arguments
    headers = {
        "Host": host,
        "User-Agent": "groundcrew-probe",
        "X-Forwarded-For": "127.0.0.1",
        "X-Forwarded-Proto": scheme,
        "Connection": "close",
    }
    try:
        got = status(protocol, int(port), url, headers, float(timeout))
    except (OSError, http.client.HTTPException) as error:
        print(f"{url}: {type(error).__name__}: {error}")
        return 1
    print(f"{url}: status {got}")
    return 0 if got == int(wanted) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
