"""Runs a command that listens on a TCP port, and forwards connections to it from a Unix socket.

python3 forward_port.py SOCKET FIRST LAST SECONDS COMMAND...: the command gets a free port from
FIRST to LAST as PORT and must listen there on 127.0.0.1. The socket exists only while the command
listens, so that connections before and after are refused instead of being cut off. On SIGTERM or
SIGINT, the command gets SECONDS to finish. Exits with the command's status. Standard library only,
Python 3.9 or later.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import zlib

FORWARDER = "/usr/lib/systemd/systemd-socket-proxyd"
CONNECTIONS = 8192
BACKLOG = 2048
FIRST_DESCRIPTOR = 3
"""File descriptor of the forwarder's socket (sd_listen_fds)."""


def free_port(first: int, last: int, path: str) -> int:
    """A free port. Each socket starts its search at another port, so that two commands that start
    together do not take the same one. Raises OSError if there is none."""
    count = last - first + 1
    start = zlib.crc32(path.encode())
    for offset in range(count):
        port = first + (start + offset) % count
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError(f"no free port from {first} to {last}")


def listens(port: int) -> bool:
    """Whether a process accepts connections on the port."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def forward(path: str, port: int) -> int:
    """Starts the forwarder, which takes over the socket; returns its process id."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(BACKLOG)
    process = os.fork()
    if process:
        listener.close()
        return process
    if listener.fileno() != FIRST_DESCRIPTOR:
        os.dup2(listener.fileno(), FIRST_DESCRIPTOR)
    os.set_inheritable(FIRST_DESCRIPTOR, True)
    environment = {**os.environ, "LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
    target = f"127.0.0.1:{port}"
    arguments = [FORWARDER, f"--connections-max={CONNECTIONS}", target]
    return os.execve(FORWARDER, arguments, environment)  # noqa: S606


def main() -> int:
    """Runs the command given in the arguments."""
    path, first, last, seconds, *command = sys.argv[1:]
    port = free_port(int(first), int(last), path)
    stopping: list[float] = []
    child = subprocess.Popen(command, env={**os.environ, "PORT": str(port)})

    def stop(_: int, __: object) -> None:
        stopping.append(time.monotonic())
        child.terminate()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    forwarder = None
    while child.poll() is None:
        if forwarder is None and not stopping and listens(port):
            forwarder = forward(path, port)
        if forwarder is not None and os.waitpid(forwarder, os.WNOHANG)[0]:
            print("the forwarder has ended", file=sys.stderr)
            forwarder = None
            child.terminate()
            break
        if stopping and time.monotonic() - stopping[0] > int(seconds):
            child.kill()
        time.sleep(0.05 if forwarder is None or stopping else 0.5)
    status = child.wait()
    with contextlib.suppress(OSError):
        os.unlink(path)
    if forwarder is not None:
        os.kill(forwarder, signal.SIGTERM)
        os.waitpid(forwarder, 0)
    return 128 - status if status < 0 else status


if __name__ == "__main__":
    sys.exit(main())
