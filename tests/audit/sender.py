"""Sends cases over raw connections, many at a time, while well-behaved clients go on asking."""

from __future__ import annotations

import asyncio
import json
import re
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.audit.hostile import Case

AT_ONCE = 96
SILENCE = 1.5
"""Seconds without a byte after which a server that keeps a connection open is left."""
MOST = 1_000_000
STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3}) [A-Z]")
PASSWD = b"root:x:0:0"
SECRET = b"not-for-visitors"
INJECTED = re.compile(rb"^X-Injected:", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True)
class Target:
    """A site on a host; `tls` is what to trust where it speaks HTTPS."""

    site: str
    address: str
    tls: ssl.SSLContext | None = None

    @property
    def port(self) -> int:
        """Where it listens."""
        return 443 if self.tls else 80

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A new connection."""
        name = self.site if self.tls else None
        return await asyncio.open_connection(
            self.address, self.port, ssl=self.tls, server_hostname=name, limit=MOST
        )


@dataclass
class Outcome:
    """What came of all cases at one site."""

    sent: int = 0
    answered: int = 0
    closed: int = 0
    statuses: dict[int, int] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)
    victims: int = 0
    """Answers that the others got meanwhile, each their own."""


def run(target: Target, cases: Sequence[Case]) -> Outcome:
    """Sends them all. The marker of a case is `c` and its number."""
    return asyncio.run(_all(target, cases))


async def _all(target: Target, cases: Sequence[Case]) -> Outcome:
    outcome, gate, done = Outcome(), asyncio.Semaphore(AT_ONCE), asyncio.Event()

    async def one(number: int, case: Case) -> None:
        async with gate:
            answer = await _send(target, case.filled(target.site, f"c{number}."))
        judge(case.name, answer, outcome)

    others = [asyncio.create_task(_victim(target, n, done, outcome)) for n in range(2)]
    await asyncio.gather(*(one(number, case) for number, case in enumerate(cases)))
    done.set()
    await asyncio.gather(*others)
    return outcome


async def _send(target: Target, sent: bytes) -> bytes:
    """What comes back until the server closes the connection or says nothing more."""
    received = b""
    reader, writer = await target.connect()
    try:
        writer.write(sent)
        while len(received) < MOST:
            part = await asyncio.wait_for(reader.read(65536), SILENCE)
            if not part:
                break
            received += part
    except (TimeoutError, OSError):
        pass
    finally:
        writer.transport.abort()
    return received


def judge(name: str, answer: bytes, outcome: Outcome) -> None:
    """Every answer is a page, a redirect or a refusal, and tells nothing."""
    outcome.sent += 1
    statuses = [int(text) for text in STATUS.findall(answer)]
    outcome.answered += bool(answer)
    outcome.closed += not answer
    for status in statuses:
        outcome.statuses[status] = outcome.statuses.get(status, 0) + 1
        if status >= 500:
            outcome.findings.append(f"{name}: {status}")
    if PASSWD in answer or SECRET in answer:
        outcome.findings.append(f"{name}: shows a file that is nobody's business")
    head = b"\n".join(part.partition(b"\r\n\r\n")[0] for part in answer.split(b"HTTP/1.1 "))
    if INJECTED.search(head):
        outcome.findings.append(f"{name}: sets a header")


async def _victim(target: Target, number: int, done: asyncio.Event, outcome: Outcome) -> None:
    """Somebody else, who must get the answers to their own requests."""
    while not done.is_set():
        reader, writer = await target.connect()
        for turn in range(10):
            path = f"/victim/{number}-{outcome.victims}-{turn}"
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {target.site}\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            status = head.split(b" ", 2)[1]
            length = re.search(rb"^content-length: (\d+)\r$", head, re.MULTILINE | re.IGNORECASE)
            body = await reader.readexactly(int(length[1])) if length else b""
            if status != b"200" or json.loads(body)["target"] != path:
                outcome.findings.append(f"another client got {status!r} {body[:200]!r} for {path}")
                break
            outcome.victims += 1
            await asyncio.sleep(0.02)
        writer.transport.abort()
