"""Works on queued texts, one after the other: `python -m rag.svr.task_executor`.

Several run side by side; WORKER_INSTANCE tells them apart. SIGTERM lets it finish its task.
"""

from __future__ import annotations

import os
import signal
import threading

from api.store import claim, database

PAUSE = 0.2
"""Seconds between two looks into an empty queue."""
WORK = 0.1
"""Seconds that a text takes, as parsing a document would."""


def work(executor: str, stopped: threading.Event) -> bool:
    """Does one task; whether there was one."""
    with database() as connection:
        task = claim(connection, executor)
    if task is None:
        return False
    stopped.wait(WORK)
    with database() as connection:
        connection.execute(
            "UPDATE task SET tokens = ? WHERE id = ?", (len(task["text"].split()), task["id"])
        )
    return True


def main() -> None:
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    executor = os.environ.get("WORKER_INSTANCE", "1")
    print(f"task executor {executor} works", flush=True)
    while not stopped.is_set():
        if not work(executor, stopped):
            stopped.wait(PAUSE)


if __name__ == "__main__":
    main()
