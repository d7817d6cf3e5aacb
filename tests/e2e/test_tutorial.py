"""docs/tutorial.md, word for word, by somebody with a clone, a bare host and a name for it.

Only the address of the host and the ACME directory are others: a real one on the host stands in for
Let's Encrypt.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.documented.pages import SHELL, blocks
from tests.e2e.harness import FULL, ROOT, LabHost, inside
from tests.e2e.test_package import LEFT_OUT
from tests.e2e.test_tls import DIRECTORY, START, Site

pytestmark = pytest.mark.skipif(not FULL, reason="a bare host, minutes: bin/test --full")

NAME = "hello.example.com"
ACME = f'"directory": "{DIRECTORY}", "ca_file": "directory.pem", '
"""What the host's own directory needs besides."""

AT_ONCE = "\nrelease: {check_window: 0, drain: 0}\n"


def replaced(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def appended(path: Path, text: str) -> None:
    path.write_text(f"{path.read_text(encoding='utf-8')}\n{text}", encoding="utf-8")


def line_changed(path: Path, text: str) -> None:
    old = path.read_text(encoding="utf-8")
    new, count = re.subn(r"^apps\b.*$", text.strip(), old, flags=re.MULTILINE)
    assert count == 1
    path.write_text(new, encoding="utf-8")


FILES: dict[str, tuple[str, Callable[[Path, str], None]]] = {
    "tutorial-2": ("hello/hello.py", replaced),
    "tutorial-3": ("hello/requirements.txt", replaced),
    "tutorial-5": ("mysite/apps/hello.yml", replaced),
    "tutorial-6": ("mysite/inventory/prod.py", replaced),
    "tutorial-7": ("mysite/group_data/web.py", line_changed),
    "tutorial-10": ("mysite/group_data/all.py", appended),
    "tutorial-11": ("mysite/apps/hello.yml", appended),
}
"""Where the text says that a block belongs."""


class Operator:
    """Types in one directory after the other, with a shell that remembers where it is."""

    def __init__(self, folder: Path, host: LabHost) -> None:
        self.folder, self.home, self.place = folder, folder / "home", folder
        (self.home / ".ssh").mkdir(mode=0o700, parents=True)
        key = self.home / ".ssh/id_ed25519"
        shutil.copy(ROOT / ".groundcrew/lab/id_ed25519", key)
        key.chmod(0o600)
        config = f"Host web1.example.com\n  HostName {host.address}\n"
        (self.home / ".ssh/config").write_text(config, encoding="utf-8")
        shutil.copytree(ROOT, folder / "groundcrew", ignore=LEFT_OUT, symlinks=True)
        (folder / "hello").mkdir()

    def type(self, text: str) -> str:
        activate = f". {self.folder}/.venv/bin/activate" if (self.folder / ".venv").exists() else ""
        done = subprocess.run(
            ["bash", "-c", f"set -e\n{activate}\n{text}\npwd > {self.folder}/place"],
            cwd=self.place,
            env={
                "HOME": str(self.home),
                "PATH": os.environ["PATH"].replace(f"{ROOT}/.venv/bin:", ""),
                "LANG": "C.UTF-8",
                **{key: os.environ[key] for key in os.environ if key.startswith("PIP_")},
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, f"{text}{done.stdout}"
        self.place = Path((self.folder / "place").read_text().strip())
        return done.stdout


@pytest.fixture
def host() -> Iterator[LabHost]:
    host = LabHost("e2e-tutorial", "bookworm", bare=True)
    host.up()
    yield host
    if not os.environ.get("GROUNDCREW_KEEP"):
        host.down()


def test_the_tutorial(host: LabHost, tmp_path: Path) -> None:
    operator = Operator(tmp_path, host)
    told: dict[str, str] = {}
    files = dict(FILES)
    for item in [item for item in blocks() if item.page == "tutorial"]:
        if item.language in SHELL:
            if item.id == "tutorial-12":
                site = directory(host, tmp_path)
            if item.id == "tutorial-13":
                changed = (tmp_path / "hello/hello.py").read_text().replace("Hello", "Good day")
                (tmp_path / "hello/hello.py").write_text(changed)
            told[item.id] = operator.type(item.text)
        else:
            name, write = files.pop(item.id)
            text = item.text.replace('{"agree_tos"', f'{{{ACME}"agree_tos"')
            write(tmp_path / name, text + (AT_ONCE if item.id == "tutorial-5" else ""))
        if item.id == "tutorial-9":
            assert host.get("/", NAME).text == "Hello from groundcrew\n"
            again = operator.type(f"{item.text.strip()} --json")
            assert '"changed": true' not in again
        if item.id == "tutorial-12":
            assert site.curl().stdout == "Hello from groundcrew\n"
            assert site.status(url=f"http://{NAME}/") == "308"
        if item.id == "tutorial-13":
            assert site.curl().stdout == "Good day from groundcrew\n"
    assert files == {}
    assert site.curl().stdout == "Hello from groundcrew\n"
    assert "entry: hello:app" in told["tutorial-4"] or "apps/hello.yml" in told["tutorial-4"]
    assert "hello" in told["tutorial-15"]


def directory(host: LabHost, folder: Path) -> Site:
    """A directory on the host, and what a browser has to trust for it."""
    inside(host, "apt-get update -qq; " + START.lstrip())
    certificate = inside(host, "cat /root/acme/cert.pem")
    (folder / "mysite/directory.pem").write_text(certificate)
    (folder / "root.pem").write_text(inside(host, "curl -sk https://127.0.0.1:15000/roots/0"))
    return Site(host, folder / "root.pem", NAME)
