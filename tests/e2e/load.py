"""Steady load on one site, every answer judged; a program of its own so that it keeps its pace.

python load.py ADDRESS HOST SECONDS RATE [SLOW [CA]] < /dev/null; over HTTPS with the file of a CA.
Prints JSON when it ends, or when its standard input is closed. Four kinds of client share the rate:
GET and POST, over kept and over new connections. SLOW more of them ask for what takes 20 seconds,
again and again. Nothing is retried: whatever is not the expected answer is a failure.
"""

from __future__ import annotations

import http.client
import json
import select
import socket
import ssl
import sys
import threading
import time

CLIENTS = 12
KINDS = [("GET", True), ("POST", True), ("GET", False), ("POST", False)]


class Https(http.client.HTTPSConnection):
    """Asks an address for the site of a name."""

    def __init__(self, address: str, name: str, context: ssl.SSLContext) -> None:
        super().__init__(address, timeout=20)
        self.name, self.context = name, context

    def connect(self) -> None:
        plain = socket.create_connection((self.host, self.port), timeout=20)
        self.sock = self.context.wrap_socket(plain, server_hostname=self.name)


SLOW_SECONDS = 20


class Client(threading.Thread):
    """One client with its own pace."""

    def __init__(
        self, number: int, address: str, host: str, rate: float, context: ssl.SSLContext | None
    ) -> None:
        super().__init__(daemon=True)
        self.method, self.keep = KINDS[number % len(KINDS)]
        self.address, self.host, self.pause = address, host, 1 / rate
        self.context = context
        self.samples: list[tuple[float, float]] = []
        self.failures: list[str] = []
        self.stop = threading.Event()
        self.connection: http.client.HTTPConnection | None = None

    def ask(self) -> None:
        body = f"{time.time()}" if self.method == "POST" else None
        path = "/echo" if body else "/"
        headers = {"Host": self.host} | ({} if self.keep else {"Connection": "close"})
        if self.connection is None or not self.keep:
            self.connection = (
                Https(self.address, self.host, self.context)
                if self.context
                else http.client.HTTPConnection(self.address, timeout=20)
            )
        self.connection.request(self.method, path, body=body, headers=headers)
        answer = self.connection.getresponse()
        text = answer.read().decode()
        if answer.status != 200 or (body and body not in text):
            self.failures.append(f"{time.time():.3f} {self.method} status {answer.status}")
        if not self.keep:
            self.connection.close()

    def run(self) -> None:
        due = time.monotonic()
        while not self.stop.is_set():
            started = time.monotonic()
            try:
                self.ask()
            except (OSError, http.client.HTTPException) as error:
                kept = "kept" if self.keep else "new"
                self.failures.append(f"{time.time():.3f} {self.method} {kept} {error!r}")
                self.connection = None
            self.samples.append((time.time(), time.monotonic() - started))
            due += self.pause
            time.sleep(max(0.0, due - time.monotonic()))


class SlowClient(threading.Thread):
    """One client that is always waiting for an answer that takes long."""

    def __init__(self, address: str, host: str) -> None:
        super().__init__(daemon=True)
        self.address, self.host = address, host
        self.answers = 0
        self.failures: list[str] = []
        self.stop = threading.Event()

    def run(self) -> None:
        while not self.stop.is_set():
            connection = http.client.HTTPConnection(self.address, timeout=60)
            try:
                path = f"/slow?seconds={SLOW_SECONDS}"
                connection.request("GET", path, headers={"Host": self.host})
                answer = connection.getresponse()
                answer.read()
                self.answers += 1
                if answer.status != 200:
                    self.failures.append(f"{time.time():.3f} slow status {answer.status}")
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(f"{time.time():.3f} slow {error!r}")
            finally:
                connection.close()


def main() -> None:
    address, host, seconds, rate = sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4])
    patient = [SlowClient(address, host) for _ in range(int(sys.argv[5]) if sys.argv[5:] else 0)]
    for slow in patient:
        slow.start()
    context = ssl.create_default_context(cafile=sys.argv[6]) if len(sys.argv) > 6 else None
    clients = [Client(number, address, host, rate / CLIENTS, context) for number in range(CLIENTS)]
    for number, client in enumerate(clients):
        time.sleep(1 / rate if number else 0)
        client.start()
    select.select([sys.stdin], [], [], seconds)
    for client in (*clients, *patient):
        client.stop.set()
    for client in (*clients, *patient):
        client.join(timeout=25)
    samples = sorted(sample for client in clients for sample in client.samples)
    failures = sorted(text for client in (*clients, *patient) for text in client.failures)
    slow_answers = sum(client.answers for client in patient)
    print(json.dumps({"samples": samples, "failures": failures, "slow": slow_answers}))


if __name__ == "__main__":
    main()
