"""A stand-in for mongod: SecantusDB behind the options, sockets and TLS of MongoDB's server.

MongoDB's own repository may be out of reach of a test. SecantusDB speaks the same protocol:
logins, users, roles, commands. What it lacks is here: mongod.conf, a Unix socket, `preferTLS`, more
than one address.
"""

from __future__ import annotations

import argparse
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

import yaml

SERVER = Path(sys.executable).parent / "secantusd-py"
TLS_RECORDS = (b"\x16\x03\x01", b"\x16\x03\x03")
"""How TLS begins. A message of MongoDB begins with its length, whose first byte may be the same."""

PEEK = socket.MSG_PEEK | socket.MSG_WAITALL
KNOWN = {
    "net.bindIp", "net.ipv6", "net.maxIncomingConnections", "net.port",
    "net.tls.CAFile", "net.tls.allowConnectionsWithoutCertificates", "net.tls.certificateKeyFile",
    "net.tls.mode", "net.unixDomainSocket.enabled", "net.unixDomainSocket.filePermissions",
    "net.unixDomainSocket.pathPrefix", "operationProfiling.slowOpThresholdMs",
    "security.authorization", "security.javascriptEnabled",
    "setParameter.authenticationMechanisms", "setParameter.enableLocalhostAuthBypass",
    "storage.dbPath", "storage.directoryPerDB", "storage.wiredTiger.engineConfig.cacheSizeGB",
}  # fmt: skip
"""Options in MongoDB's reference that groundcrew or a test uses."""


def flat(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def options() -> dict[str, Any]:
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", required=True)
    parser.add_argument("--outputConfig", action="store_true")
    given = parser.parse_args()
    values = dict(flat(yaml.safe_load(Path(given.config).read_text())))
    for name in values:
        if name not in KNOWN:
            sys.exit(f"Unrecognized option: {name}")
    if given.outputConfig:
        print(yaml.safe_dump(values))
        sys.exit(0)
    return values


def pour(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


def serve(client: socket.socket, port: int, context: ssl.SSLContext | None) -> None:
    with suppress(OSError):
        if context and client.recv(3, PEEK) in TLS_RECORDS:
            client = context.wrap_socket(client, server_side=True)
        inner = socket.create_connection(("127.0.0.1", port))
        threading.Thread(target=pour, args=(inner, client), daemon=True).start()
        pour(client, inner)


def accept(listener: socket.socket, port: int, context: ssl.SSLContext | None) -> None:
    while True:
        client, _ = listener.accept()
        threading.Thread(target=serve, args=(client, port, context), daemon=True).start()


def listeners(values: Mapping[str, Any]) -> Iterator[socket.socket]:
    for address in str(values["net.bindIp"]).replace("*", "0.0.0.0").split(","):
        yield socket.create_server((address, values["net.port"]))
    if values.get("net.unixDomainSocket.enabled", True):
        folder = values.get("net.unixDomainSocket.pathPrefix", "/tmp")
        path = Path(folder, f"mongodb-{values['net.port']}.sock")
        path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen(128)
        path.chmod(values.get("net.unixDomainSocket.filePermissions", 0o700))
        yield listener


def certificate(values: Mapping[str, Any]) -> ssl.SSLContext | None:
    if values.get("net.tls.mode", "disabled") == "disabled":
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(values["net.tls.certificateKeyFile"])
    return context


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def main() -> int:
    values, port = options(), free_port()
    login = ["--auth"] if values.get("security.authorization") == "enabled" else []
    megabytes = int(1024 * values["storage.wiredTiger.engineConfig.cacheSizeGB"])
    server = subprocess.Popen(
        [SERVER, "--host=127.0.0.1", f"--port={port}", f"--storage-path={values['storage.dbPath']}",
         f"--cache-size={megabytes}M", "--standalone", "--sync-on-commit", *login],
    )  # fmt: skip

    ending = threading.Event()

    def end(signum: int, frame: FrameType | None) -> None:
        del signum, frame
        ending.set()
        threading.Thread(target=stop, args=(server,), daemon=True).start()

    signal.signal(signal.SIGTERM, end)
    wait_for(port, server)
    context = certificate(values)
    for listener in listeners(values):
        threading.Thread(target=accept, args=(listener, port, context), daemon=True).start()
    code = server.wait()
    return 0 if ending.is_set() else code


def stop(server: subprocess.Popen[bytes]) -> None:
    """Ends the server. A second signal may find it in the middle of ending and stall it, and
    systemd has sent it the first. It has synced what it has acknowledged."""
    for seconds, action in ((1, None), (5, server.terminate), (5, server.kill)):
        if action:
            action()
        with suppress(subprocess.TimeoutExpired):
            server.wait(seconds)
            return


def wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    while server.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return


if __name__ == "__main__":
    sys.exit(main())
