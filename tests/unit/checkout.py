"""The real command line on a copy of the project."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("groundcrew", "roles", "templates", "playbooks", "config.py", "deploy.py")


class Listener:
    """A port that counts connections, and hangs up."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.connections += 1
            connection.close()


class Checkout:
    """A copy of the project with one host, whose SSH port is the listener's."""

    def __init__(self, root: Path, listener: Listener) -> None:
        self.root = root
        self.listener = listener
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                # With its bytecode, which pyinfra would not write.
                shutil.copytree(source, root / name)
            else:
                shutil.copy(source, root / name)
        for name in ("apps", "group_data", "src"):
            (root / name).mkdir()
        shutil.copytree(ROOT / "inventory/group_data", root / "inventory/group_data")
        self.write("src/shop.py", "app = None\n")
        self.write("inventory/prod.py", f"web = {[self.host('web1')]!r}\n")
        self.write("group_data/web.py", 'apps = ["shop"]\n')
        self.app()

    def host(self, name: str, **data: object) -> tuple[str, dict[str, object]]:
        connection = {"ssh_hostname": "127.0.0.1", "ssh_port": self.listener.port}
        return name, {**connection, **data}

    def write(self, path: str, text: str) -> None:
        (self.root / path).write_text(text, encoding="utf-8")

    def app(self, name: str = "shop", more: str = "domains: [shop.test]") -> None:
        self.write(f"apps/{name}.yml", f"source: {{directory: src}}\nentry: a:b\n{more}\n")

    def run(
        self, *arguments: str, inventory: str = "inventory/prod.py", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        pyinfra = Path(sys.executable).with_name("pyinfra")
        return subprocess.run(
            [str(pyinfra), inventory, *arguments],
            cwd=self.root,
            env={**os.environ, **environment, "PYTHONPATH": ""},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def refused(self, *arguments: str, inventory: str = "inventory/prod.py") -> str:
        """The report of a run that must end before connecting."""
        done = self.run(*arguments, inventory=inventory)
        assert done.returncode == 1, done.stderr
        assert self.listener.connections == 0
        assert "Traceback" not in done.stderr
        assert not (self.root / "pyinfra-debug.log").exists()
        assert "Connecting" not in done.stderr
        _, marker, report = done.stderr.partition("groundcrew: ")
        assert marker, done.stderr
        assert "groundcrew: " not in report
        return report
