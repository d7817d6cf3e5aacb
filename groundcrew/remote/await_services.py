"""Waits until services on other hosts accept connections.

Installed on hosts as `groundcrew-await`; its arguments are HOST:PORT. Says every 30 seconds what it
waits for. Standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import socket
import sys
import time

PAUSE = 1.0
TOLD_EVERY = 30.0


def answers(place: str) -> bool:
    """Whether something accepts connections at HOST:PORT."""
    host, _, port = place.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
    except OSError:
        return False
    return True


def main(places: list[str]) -> int:
    """Returns when all places answer."""
    last_message = 0.0
    while True:
        places = [place for place in places if not answers(place)]
        if not places:
            return 0
        if time.monotonic() - last_message > TOLD_EVERY:
            last_message = time.monotonic()
            print(f"waiting for {', '.join(places)}", flush=True)
        time.sleep(PAUSE)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
