"""An SSH server in this process."""

from __future__ import annotations

import contextlib
import socket
import threading

import paramiko
from paramiko.common import AUTH_FAILED, AUTH_SUCCESSFUL, OPEN_SUCCEEDED

KEY = paramiko.RSAKey.generate(2048)


class Server(paramiko.ServerInterface):
    """Lets the listed users in by key, does `echo`, and answers other commands after `delay`
    seconds with the status that `exits` names; `shell` is what a user's shell prints first, and
    whether it runs commands."""

    def __init__(self, sshd: Sshd) -> None:
        self.sshd = sshd
        self.user = ""

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        known = username in self.sshd.users
        self.user = username
        return AUTH_SUCCESSFUL if known else AUTH_FAILED

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        text, runs = self.sshd.shell.get(self.user, ("", True))

        def answer() -> None:
            echoed = command.removeprefix(b"echo ")
            output = text.encode() + (echoed + b"\n" if runs and echoed != command else b"")
            # Who asked may have gone.
            with contextlib.suppress(OSError):
                channel.sendall(output)
                channel.send_stderr(b"sudo: a password is required\n")
                channel.send_exit_status(self.sshd.exits.get(command.decode(), 0))
                channel.close()

        timer = threading.Timer(self.sshd.delay, answer)
        timer.daemon = True
        timer.start()
        return True


class Sshd:
    """A listening server; its users, exit statuses and pace can be changed while it runs."""

    def __init__(self) -> None:
        self.users: set[str] = set()
        self.exits: dict[str, int] = {}
        self.shell: dict[str, tuple[str, bool]] = {}
        self.delay = 0.05
        self.transports: list[paramiko.Transport] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            server = paramiko.Transport(connection)
            server.add_server_key(KEY)
            server.start_server(event=threading.Event(), server=Server(self))
            self.transports.append(server)

    def stop_listening(self) -> None:
        # Closing alone leaves the thread in accept(), which would take one more connection.
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def close(self) -> None:
        self.stop_listening()
        for server in self.transports:
            server.close()
