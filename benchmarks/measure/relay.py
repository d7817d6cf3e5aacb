"""Adds latency between the operator and hosts: a relay in front of sshd, one port for each host."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Mapping


class Relay:
    """Passes connections on, each piece of data after half a round trip. Without latency it is not
    in the way at all: see `ports`."""

    def __init__(self, addresses: Mapping[str, str], seconds: float) -> None:
        self.addresses = addresses
        self.half = seconds / 2
        self.ports: dict[str, tuple[str, int]] = {
            name: (address, 22) for name, address in addresses.items()
        }
        self._servers: list[asyncio.Server] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Relay:
        if self.half:
            self._thread.start()
            asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        return self

    def __exit__(self, *error: object) -> None:
        if self.half:
            asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    async def _end(self) -> None:
        """Ends what still listens and passes on."""
        for server in self._servers:
            server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _listen(self) -> None:
        for name, address in self.addresses.items():
            server = await asyncio.start_server(self._serve(address), "127.0.0.1", 0)
            self._servers.append(server)
            self.ports[name] = ("127.0.0.1", server.sockets[0].getsockname()[1])

    def _serve(self, address: str):  # type: ignore[no-untyped-def]
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            # TCP's own handshake.
            await asyncio.sleep(2 * self.half)
            there = await asyncio.open_connection(address, 22)
            for stream in (writer, there[1]):
                connection = stream.get_extra_info("socket")
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # Cancelled at the end of the benchmark, which is no error.
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(self._pass(reader, there[1]), self._pass(there[0], writer))

        return serve

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Passes one direction on. Data that follows does not wait for what is on its way."""
        loop = asyncio.get_running_loop()
        pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def send() -> None:
            while True:
                due, piece = await pieces.get()
                await asyncio.sleep(max(0.0, due - loop.time()))
                if not piece:
                    writer.close()
                    return
                writer.write(piece)

        sending = asyncio.create_task(send())
        try:
            while piece := await reader.read(1 << 16):
                pieces.put_nowait((loop.time() + self.half, piece))
        except OSError:
            pass
        pieces.put_nowait((loop.time() + self.half, b""))
        await sending
