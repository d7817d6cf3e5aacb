"""The single writer: `python indexer.py`. Takes documents from the inbox into the index.

Two of them would overwrite each other's work, so it holds a lock and leaves when another has it.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import threading

from store import FOLDER, INBOX, read, write

PAUSE = 0.2
"""Seconds between two looks into the inbox."""


def take_in() -> int:
    """Moves all waiting documents into the index; how many there were."""
    waiting = sorted(INBOX.glob("*.txt"))
    if not waiting:
        return 0
    index = read()
    for path in waiting:
        index["documents"][path.stem] = sorted(set(path.read_text(encoding="utf-8").split()))
    write({**index, "writer": os.getpid(), "version": index["version"] + 1})
    for path in waiting:
        path.unlink()
    return len(waiting)


def main() -> int:
    INBOX.mkdir(exist_ok=True)
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    with (FOLDER / "writer.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("another writer holds the index", file=sys.stderr)
            return 1
        while not stopped.is_set():
            if not take_in():
                stopped.wait(PAUSE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
