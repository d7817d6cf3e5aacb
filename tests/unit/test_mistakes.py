"""Mistakes of newcomers: the last three lines of a run name the cause, where it is, and what to do.

Each is made in a project of its own and told by the real command line. Where the fault can be seen
on this machine, no host is connected to. Those that only a host can tell are in
tests/e2e/test_mistakes.py.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import paramiko
import pytest

from tests.unit.certificates import certificate, new_key, pem
from tests.unit.checkout import Checkout, Listener
from tests.unit.sshd import KEY, Sshd

MANIFEST = "apps/shop.yml"
GOOD = "source: {directory: src}\nentry: shop:app\ndomains: [shop.test]\n"
AGAIN = "then run the same again."


@dataclass(frozen=True)
class Mistake:
    """What is wrong, and the words that the last three lines must have."""

    words: tuple[str, ...]
    files: dict[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()


def manifest(more: str, *words: str, good: str = GOOD) -> Mistake:
    """One in the application's manifest."""
    return Mistake((*words, MANIFEST, AGAIN), {MANIFEST: good + more})


MISTAKES = {
    "a typo in a key": manifest(
        "server: {wokers: 4}\n", "app.shop.server.wokers", 'did you mean "workers"?'
    ),
    "a typo in a value": manifest(
        "network: anyy\n", "app.shop.network", "expected 'any'", 'got "anyy"'
    ),
    "a word instead of a number": manifest(
        "server: {workers: many}\n", "app.shop.server.workers", 'got "many"'
    ),
    "a word instead of a list": manifest(
        "", "app.shop.domains", "expected a list", "put it in [ ]",
        good=GOOD.replace("[shop.test]", "shop.test"),
    ),
    "a source that is not there": manifest(
        "", "app.shop.source.directory", "no directory", "/shpo",
        good=GOOD.replace("src", "../shpo"),
    ),
    "an entry without its object": manifest(
        "", "app.shop.entry", '"shop.wsgi" is a module alone',
        good=GOOD.replace("shop:app", "shop.wsgi"),
    ),
    "no entry": manifest(
        "", "app.shop.entry", "is required", good=GOOD.replace("entry: shop:app\n", "")
    ),
    "a file of requirements that is not there": manifest(
        "requirements: requirments.txt\n", "app.shop.requirements", "no file", "requirments.txt"
    ),
    "a secret that is not set": manifest(
        "secrets: {KEY: {env: SHOP_KEY_UNSET}}\n",
        "app.shop.secrets.KEY", "environment variable SHOP_KEY_UNSET is not set",
    ),
    "a tab": manifest("server:\n\tworkers: 4\n", "not valid YAML", "(line 5, column 1)"),
    "a wrong indent": manifest(
        "server:\n  workers: 4\n threads: 2\n", "not valid YAML", "(line 6, column 2)"
    ),
    "a line of cron": manifest(
        'timers: {nightly: {command: "true", schedule: "0 3 * * *"}}\n',
        "app.shop.timers.nightly.schedule", "cron", "write `03:00`",
    ),
    "a version without quotes": manifest(
        "python: 3.10\n", "app.shop.python", "got 3.1", "put it in quotes"
    ),
    "a domain in capitals": manifest(
        "", "app.shop.domains", "Shop.Example.com", "shop.example.com",
        good=GOOD.replace("shop.test", "Shop.Example.com"),
    ),
    "a domain with a port": manifest(
        "", "app.shop.domains", "shop.test:8080", "`port: 8080`",
        good=GOOD.replace("shop.test", "'shop.test:8080'"),
    ),
    "a health path without its slash": manifest(
        "health: {path: health}\n", "app.shop.health.path", 'did you mean "/health"?'
    ),
    "HTTPS without an e-mail address and consent": Mistake(
        ("tls.acme.agree_tos", '"email": ', 'application "shop"', "group_data/all.py", AGAIN),
        {MANIFEST: f"{GOOD}tls: {{certificate: {{type: acme}}}}\n"},
    ),
    "the key in place of the certificate": manifest(
        "tls: {certificate: {type: own, chain: key.pem, key: {file: key.pem}}}\n",
        "app.shop.tls.certificate", "key.pem has no certificate in PEM, it is a private key",
    ),
    "a key in one file with another certificate": manifest(
        "tls: {certificate: {type: own, chain: joined.pem, key: {file: joined.pem}}}\n",
        "app.shop.tls.certificate", "the key is not the certificate's",
    ),
    "the same domain twice": Mistake(
        ("app.shop.domains", "shop.test", "blog", AGAIN),
        {"group_data/web.py": 'apps = ["blog", "shop"]\n', "apps/blog.yml": GOOD},
    ),
    "an application without a manifest": Mistake(
        ("apps/shpo.yml", "no such manifest", 'did you mean "shop"?', AGAIN),
        {"group_data/web.py": 'apps = ["shpo"]\n'},
    ),
    "no list of applications": Mistake(
        ('apps = ["shop"]', "group_data/web.py", "on web1", AGAIN), {"group_data/web.py": ""}
    ),
    "a typo in a name of group data": Mistake(
        ("Fix apps, aps (group_data/web.py)", "unknown key", 'did you mean "apps"?', AGAIN),
        {"group_data/web.py": 'aps = ["shop"]\n'},
    ),
    "a group that is no list": Mistake(
        ("inventory/prod.py", 'web = ["web1"]', AGAIN), {"inventory/prod.py": 'web = "web1"\n'}
    ),
    "an inventory that Python cannot read": Mistake(
        ("inventory/prod.py line 1", "'[' was never closed", 'web = ["web1"', AGAIN),
        {"inventory/prod.py": 'web = ["web1"\n'},
    ),
    "group data that Python cannot read": Mistake(
        ("group_data/web.py line 2", "unterminated string", AGAIN),
        {"group_data/web.py": 'firewall = {}\napps = ["shop]\n'},
    ),
    "a name in group data that is not set": Mistake(
        ("group_data/web.py line 1", "name 'shop' is not defined", AGAIN),
        {"group_data/web.py": "apps = [shop]\n"},
    ),
    "an unknown host": Mistake(
        ("--limit", "wbe1", "no such host or group", 'did you mean "web1"?', AGAIN),
        arguments=("--limit", "wbe1"),
    ),
    "a value without its sign": Mistake(
        ("--data", "app.shop.port", "KEY=VALUE", AGAIN), arguments=("--data", "app.shop.port")
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """One for all: Python compiles it once."""
    listener = Listener()
    yield Checkout(tmp_path_factory.mktemp("project"), listener)
    listener.socket.close()


@pytest.fixture
def checkout(copy: Checkout) -> Checkout:
    """The copy as it was."""
    copy.listener.connections = 0
    for file in (copy.root / "apps").iterdir():
        file.unlink()
    copy.write(MANIFEST, GOOD)
    copy.write("group_data/web.py", 'apps = ["shop"]\n')
    copy.write("inventory/prod.py", f"web = {[copy.host('web1')]!r}\n")
    return copy


def last_lines(
    checkout: Checkout,
    *arguments: str,
    cwd: Path | None = None,
    inventory: str = "inventory/prod.py",
    playbook: str = "deploy.py",
) -> str:
    """The last three lines of a run that must fail."""
    pyinfra = Path(sys.executable).with_name("pyinfra")
    done = subprocess.run(
        [str(pyinfra), inventory, playbook, "-y", *arguments],
        cwd=cwd or checkout.root,
        env={
            **os.environ,
            "PYTHONPATH": "",
            "SSH_AUTH_SOCK": "",
            "HOME": str(checkout.root),
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0, done.stdout
    assert "Traceback" not in done.stdout, done.stdout
    return "\n".join(done.stdout.splitlines()[-3:])


def lacking(text: str, words: tuple[str, ...]) -> list[str]:
    return [word for word in words if word not in text]


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_that_this_machine_can_see(checkout: Checkout, name: str) -> None:
    mistake = MISTAKES[name]
    key = new_key()
    checkout.write("key.pem", pem(key))
    checkout.write("joined.pem", certificate(key, "shop.test").rstrip() + pem(new_key()))
    for path, text in mistake.files.items():
        checkout.write(path, text)
    last = last_lines(checkout, *mistake.arguments)
    assert lacking(last, mistake.words) == [], last
    assert checkout.listener.connections == 0


def test_another_directory(checkout: Checkout, tmp_path_factory: pytest.TempPathFactory) -> None:
    last = last_lines(
        checkout,
        cwd=tmp_path_factory.mktemp("elsewhere"),
        inventory=f"{checkout.root}/inventory/prod.py",
        playbook=f"{checkout.root}/deploy.py",
    )
    words = ("has no config.py", "go to the project first", f"cd {checkout.root}")
    assert lacking(last, words) == [], last
    assert checkout.listener.connections == 0


@dataclass
class Host:
    """A host of the inventory that lets nobody in, unless a test says so."""

    checkout: Checkout
    sshd: Sshd

    def inventory(self, **data: object) -> None:
        given = {
            "ssh_hostname": "127.0.0.1",
            "ssh_port": self.sshd.port,
            "ssh_user": "deploy",
            "bootstrap_user": "root",
            "ssh_key": str(self.checkout.root / "key"),
            "ssh_known_hosts_file": str(self.checkout.root / "known_hosts"),
            **data,
        }
        known = {key: value for key, value in given.items() if value is not None}
        self.checkout.write("inventory/prod.py", f"web = [('web1', {known!r})]\n")

    def known(self, key: paramiko.PKey) -> None:
        entry = f"[127.0.0.1]:{self.sshd.port} {key.get_name()} {key.get_base64()}\n"
        self.checkout.write("known_hosts", entry)


@pytest.fixture
def host(checkout: Checkout, sshd: Sshd) -> Host:
    KEY.write_private_key_file(str(checkout.root / "key"))
    host = Host(checkout, sshd)
    host.inventory()
    host.known(KEY)
    return host


def test_a_key_that_the_host_does_not_know(host: Host) -> None:
    last = last_lines(host.checkout)
    words = (
        "127.0.0.1 refused deploy and root (bootstrap_user) with the key",
        "`ssh_key`", "`bootstrap_user`", "group_data/all.py",
        f"ssh -p {host.sshd.port} -i {host.checkout.root}/key root@127.0.0.1",
    )  # fmt: skip
    assert lacking(last, words) == [], last


def test_a_key_that_is_not_there(host: Host) -> None:
    host.inventory(ssh_key="~/.ssh/gone")
    last = last_lines(host.checkout)
    assert lacking(last, ("/.ssh/gone", "`ssh_key`", "group_data/all.py")) == [], last


def test_no_key_at_all(host: Host) -> None:
    host.inventory(ssh_key=None)
    last = last_lines(host.checkout)
    words = ("no SSH key to log in with", "`ssh_key`", "group_data/all.py", "ssh-keygen")
    assert lacking(last, words) == [], last


def test_a_user_whom_the_host_lets_run_nothing(host: Host) -> None:
    host.sshd.users = {"root"}
    host.sshd.shell["root"] = 'Please login as the user "debian" rather than "root".\n', False
    last = last_lines(host.checkout)
    words = ("root may log in but run nothing", 'bootstrap_user = "debian"', "group_data/all.py")
    assert lacking(last, words) == [], last


def test_another_host_key(host: Host) -> None:
    host.known(paramiko.RSAKey.generate(1024))
    last = last_lines(host.checkout)
    words = (
        f"the host key of 127.0.0.1 port {host.sshd.port} is not the one in",
        f"ssh-keygen -f {host.checkout.root}/known_hosts -R '[127.0.0.1]:{host.sshd.port}'",
    )
    assert lacking(last, words) == [], last


def test_a_port_where_nobody_listens(host: Host) -> None:
    host.sshd.close()
    last = last_lines(host.checkout)
    words = (f"127.0.0.1 port {host.sshd.port} refuses connections", "`ssh_port`", "ssh -p ")
    assert lacking(last, words) == [], last


def test_a_name_that_nobody_knows(host: Host) -> None:
    host.inventory(ssh_hostname="web1.invalid")
    last = last_lines(host.checkout)
    words = ("web1: connecting", "web1.invalid", "no such name", "`ssh_hostname`")
    assert lacking(last, words) == [], last


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that nothing comes back from, as behind a firewall: its queue is full."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=0)
    address = listener.getsockname()
    waiting = [socket.socket() for _ in range(4)]
    for connection in waiting:
        connection.setblocking(False)
        connection.connect_ex(address)
    yield int(address[1])
    for connection in [*waiting, listener]:
        connection.close()


def test_a_host_that_does_not_answer(host: Host, silent: int) -> None:
    config = host.checkout.root / "config.py"
    text = config.read_text()
    config.write_text(f"{text}config.CONNECT_TIMEOUT = 2\n")
    host.inventory(ssh_port=silent)
    last = last_lines(host.checkout)
    config.write_text(text)
    words = (f"127.0.0.1 port {silent} does not answer", "firewall", f"ssh -p {silent}")
    assert lacking(last, words) == [], last
