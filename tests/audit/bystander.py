"""Somebody else who goes on asking at a modest rate while a host is under attack.

python bystander.py ADDRESS NAME SECONDS RATE. A program of its own so that it keeps its pace. Each
request has a connection of its own. Prints JSON: how long each took (seconds), and what failed.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time


async def ask(address: str, name: str) -> str | None:
    """One request; what was wrong with the answer."""
    reader, writer = await asyncio.open_connection(address, 80)
    try:
        writer.write(f"GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
        answer = await reader.read()
    finally:
        writer.close()
    status = answer.partition(b"\r\n")[0].decode()
    return None if status.split(" ")[1:2] == ["200"] else status or "closed"


async def main() -> None:
    """Asks, and prints."""
    address, name, seconds, rate = sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4])
    samples: list[float] = []
    failures: list[str] = []

    async def one() -> None:
        started = time.monotonic()
        try:
            problem = await asyncio.wait_for(ask(address, name), 20)
        except (OSError, TimeoutError) as error:
            problem = repr(error)
        samples.append(time.monotonic() - started)
        if problem:
            failures.append(problem)

    running = []
    begun = time.monotonic()
    for number in range(int(seconds * rate)):
        await asyncio.sleep(max(0.0, begun + number / rate - time.monotonic()))
        running.append(asyncio.create_task(one()))
    await asyncio.gather(*running)
    print(json.dumps({"samples": samples, "failures": failures}))


if __name__ == "__main__":
    asyncio.run(main())
