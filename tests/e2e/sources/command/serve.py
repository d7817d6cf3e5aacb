"""A server that groundcrew knows nothing about, on a Unix socket or on a port.

python serve.py unix:PATH|PORT
"""

from __future__ import annotations

import signal
import socket
import socketserver
import sys
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from hello import app


class Handler(WSGIRequestHandler):
    """Also for a client without an address."""

    def address_string(self) -> str:
        return "nginx"


class Server(socketserver.ThreadingMixIn, WSGIServer):
    """A thread for each request; those that run when it is told to stop are finished."""

    request_queue_size = 1024

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "localhost", 80
        self.setup_environ()

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        return self.socket.accept()[0], ("", 0)


class UnixServer(Server):
    """The same on a Unix socket."""

    address_family = socket.AF_UNIX


place = sys.argv[1]
if place.startswith("unix:"):
    server: Server = UnixServer(place.removeprefix("unix:"), Handler)  # type: ignore[arg-type]
else:
    server = Server(("127.0.0.1", int(place)), Handler)
server.set_app(app)
signal.signal(signal.SIGTERM, lambda *_: stop())


def stop() -> None:
    """Leaves the loop; the threads of running requests are waited for."""
    raise SystemExit


print(f"serving at {place}", flush=True)
try:
    server.serve_forever()
finally:
    server.server_close()
