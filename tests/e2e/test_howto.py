"""docs/howto, page by page, by an operator with a project of their own and one host.

The pages' commands are typed in an order that works; where a page says what to change in a file,
the file is changed. A few pages need what this host does not have: FULL, or another test
(tests/documented/commands.py names it).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.documented.pages import SHELL, blocks, spans
from tests.e2e.harness import FULL, ROOT, LabHost, inside, until

HOST = "web1.example.com"
SITE = "shop.example.com"
FIRST, SECOND = "q7-kestrel-lattice", "harbour-quilt-29"
"""The values of a stored secret, before and after its rotation."""

PROD = "pyinfra inventory/prod.py"
CODE = """\
import json, os, sys


def application(environ, start_response):
    place = os.path.join(os.environ["DATA"], "uploaded")
    if environ["REQUEST_METHOD"] == "POST":
        with open(place, "a") as file:
            file.write("x")
    kept = open(place).read() if os.path.exists(place) else ""
    start_response("200 OK", [("Content-Type", "application/json")])
    names = ("API_KEY", "COOKIE_KEY", "DATABASE_URL")
    seen = {name: os.environ[name] for name in names}
    with open(os.environ["FILE_KEY_FILE"]) as file:
        seen["FILE_KEY"] = file.read()
    seen["variable"] = os.environ.get("FILE_KEY", "none")
    return [json.dumps({"python": sys.version, "kept": kept, **seen}).encode()]
"""
MANIFEST: dict[str, Any] = {
    "source": {"directory": "../shop"},
    "entry": "app:application",
    "domains": [SITE],
    "shared": ["data"],
    "env": {"DATA": "/srv/shop/shared/data"},
    "secrets": {
        "API_KEY": {"stored": "shop.API_KEY"},
        "COOKIE_KEY": {"generate": {"version": 1}},
        "FILE_KEY": {"stored": "shop.API_KEY", "as_file": True},
    },
    "needs": {"database": "postgresql"},
    "server": {"workers": 1},
    "release": {"check_window": 0, "drain": 0},
}


SEEN_BY_ALL = "{ cat /proc/[0-9]*/cmdline; journalctl --no-pager -o cat; } | tr -cd '[:print:]'"
"""What processes were called with, and the journal."""


class Operator:
    """A person with a project, a key and the pages."""

    def __init__(self, folder: Path, host: LabHost) -> None:
        self.folder, self.host = folder, host
        self.home, self.project = folder / "home", folder / "mysite"
        (self.home / ".ssh").mkdir(mode=0o700, parents=True)
        shutil.copy(ROOT / ".groundcrew/lab/id_ed25519", self.home / ".ssh/id_ed25519")
        (self.home / ".ssh/id_ed25519").chmod(0o600)
        self.aliases(f"Host {HOST}\n  HostName {host.address}\n")
        (folder / "shop").mkdir()
        (folder / "shop/app.py").write_text(CODE)
        self.type("python -m groundcrew.commands init mysite", place=folder)
        self.all: dict[str, Any] = {"ssh_user": "deploy", "bootstrap_user": "root"}
        self.manifest()
        self.settings()
        self.inventory()

    def aliases(self, text: str) -> None:
        (self.home / ".ssh/config").write_text(text)

    def write(self, name: str, text: str) -> None:
        (self.project / name).write_text(text)

    def manifest(self, name: str = "shop", **changes: Any) -> None:
        """The application's manifest, with what is changed for one test or from now on."""
        self.write(f"apps/{name}.yml", json.dumps({**MANIFEST, **changes}))

    def settings(self, apps: str = "shop", **more: Any) -> None:
        """group_data: what is always there, and `more`."""
        values = {**self.all, **more}
        lines = "".join(f"{key} = {value!r}\n" for key, value in values.items())
        self.write("group_data/all.py", lines)
        web = {"http": {"ports": [80, 8081]}}
        self.write("group_data/web.py", f"apps = [{apps!r}]\nfirewall = {{'allow': {web!r}}}\n")

    def inventory(self, **data: Any) -> None:
        """The host, with data of its own."""
        self.write("inventory/prod.py", f"web = [({HOST!r}, {data!r})]\npostgresql = [{HOST!r}]\n")

    def type(self, command: str, place: Path | None = None, status: int = 0, text: str = "") -> str:
        """Everything that a command says."""
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=place or self.project,
            env={
                **{key: value for key, value in os.environ.items() if key.startswith("PIP_")},
                "HOME": str(self.home),
                "PATH": f"{self.folder}/bin:{ROOT}/.venv/bin:{os.environ['PATH']}",
                "PYTHONPATH": str(ROOT),
                "EDITOR": f"{self.folder}/editor",
                "LANG": "C.UTF-8",
            },
            input=text,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=900,
            check=False,
        )
        assert done.returncode == status, f"{command}\n{done.stdout}"
        return done.stdout

    def groundcrew(self, words: str, **options: Any) -> str:
        return self.type(f"python -m groundcrew.commands {words}", **options)

    def deploy(self, more: str = "", **options: Any) -> str:
        return self.type(f"{PROD} deploy.py -y {more}", **options)

    def edit_secrets(self, value: str) -> str:
        editor = self.folder / "editor"
        editor.write_text(f'#!/bin/sh\necho "shop: {{API_KEY: {value}}}" > "$1"\n')
        editor.chmod(0o755)
        return self.groundcrew("secrets edit")

    def page(self, name: str = SITE, method: str = "GET", port: int = 80) -> dict[str, str]:
        """What a visitor gets."""
        to = f"::{self.host.address}:"
        done = subprocess.run(
            ["curl", "-sS", "--fail", "--max-time", "20", "--noproxy", "*", "-X", method,
             "--connect-to", to, f"http://{name}:{port}/"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        seen: dict[str, str] = json.loads(done.stdout)
        return seen


def on(page: str, start: str) -> str:
    """The one command on a page that begins so, without its comment. So a test types what the page
    has, and fails when the page changes."""
    name = f"howto-{page}"
    commands = (item for item in blocks() if item.page == name and item.language in SHELL)
    lines = [
        line.partition("  #")[0].strip()
        for item in commands
        for line in item.text.replace("\\\n", " ").splitlines()
    ]
    [command] = {item for item in [*lines, *spans(name)] if item.startswith(start)}
    return command


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    host = LabHost("e2e-howto", "bookworm")
    host.up()
    operator = Operator(tmp_path_factory.mktemp("howto"), host)
    operator.groundcrew("secrets init")
    operator.edit_secrets(FIRST)
    operator.deploy()
    operator.page(method="POST")
    yield operator
    if not os.environ.get("GROUNDCREW_KEEP"):
        host.down()


def test_a_stored_secret_reaches_the_application_and_nothing_else(operator: Operator) -> None:
    assert operator.page()["API_KEY"] == FIRST
    assert FIRST not in (operator.project / "secrets.age.yml").read_text()
    assert FIRST not in inside(operator.host, SEEN_BY_ALL)
    assert operator.page()["FILE_KEY"] == FIRST
    assert operator.page()["variable"] == "none"
    command = """run shop -- sh -c 'id -un; ls -l "$FILE_KEY_FILE"; cat "$FILE_KEY_FILE"'"""
    assert FIRST in operator.groundcrew(command)
    # Logs of the whole host, and every file but those that only root may read.
    places = "/var/log /run/systemd /etc /opt /tmp"
    assert inside(operator.host, f"grep -rlF {FIRST} {places} || true") == ""
    open_to = inside(
        operator.host, f"grep -rlF {FIRST} /srv | xargs -r stat -c '%a %U %n'"
    ).splitlines()
    assert open_to
    assert [line for line in open_to if not line.startswith("600 root")] == []


def test_rotate_secrets(operator: Operator) -> None:
    before = operator.page()
    operator.edit_secrets(SECOND)
    for flags in ("--dry --diff -vvv --debug", "-y --diff -vvv --debug"):
        said = operator.type(f"{PROD} playbooks/release.py {flags} --data app=shop")
        assert FIRST not in said
        assert SECOND not in said
        assert before["COOKIE_KEY"] not in said
        assert before["DATABASE_URL"] not in said
    assert operator.page() == {**before, "API_KEY": SECOND, "FILE_KEY": SECOND}
    assert SECOND not in inside(operator.host, SEEN_BY_ALL)
    # A generated one.
    operator.type(on("rotate-secrets", f"{PROD} playbooks/release.py -y --data app=shop  "))
    MANIFEST["secrets"]["COOKIE_KEY"]["generate"]["version"] = 2
    operator.manifest()
    cookie = operator.page()["COOKIE_KEY"]
    assert cookie != before["COOKIE_KEY"]
    # A database's.
    operator.type(on("rotate-secrets", f"{PROD} playbooks/rotate.py"))
    after = operator.page()
    assert after["DATABASE_URL"] != before["DATABASE_URL"]
    assert after["COOKIE_KEY"] == cookie


def test_a_missing_secrets_program_is_named_before_a_deploy(operator: Operator) -> None:
    said = operator.type(
        f"{PROD} playbooks/preflight.py -y --data secrets.command='no-such-program -d x'", status=1
    )
    assert "secrets.command: this machine has no no-such-program: install it" in said


def test_change_a_domain_and_a_site_before_its_dns(operator: Operator) -> None:
    operator.manifest(domains=["www.shop.example.com", SITE])
    operator.deploy()
    assert operator.page("www.shop.example.com") == operator.page()
    curl = on("before-dns", "curl").replace("203.0.113.12", operator.host.address)
    assert '"kept"' in operator.type(curl)


def test_change_a_port(operator: Operator) -> None:
    www = "www.shop.example.com"
    operator.manifest(domains=[www], redirects={SITE: www}, port=8081)
    operator.deploy()
    assert operator.page(www, port=8081)["kept"] == "x"
    # The old name redirects, and curl does not follow.
    with pytest.raises(json.JSONDecodeError):
        operator.page(port=8081)
    operator.manifest()
    operator.deploy()
    assert operator.page()["kept"] == "x"


def test_replace_a_key(operator: Operator) -> None:
    operator.type(on("replace-a-key", "ssh-keygen"))
    old = operator.type("ssh-keygen -y -f ~/.ssh/id_ed25519").strip()
    new = operator.home / ".ssh/id_new"
    both = {"admins": {"deploy": {"keys": [old, f"{new}.pub"]}}}
    operator.settings(users=both)
    operator.deploy("--data only=users")
    # Its own key alone does not shut the run out, another one would.
    only_new = {"admins": {"deploy": {"keys": [f"{new}.pub"]}}}
    operator.settings(users=only_new)
    assert "locks the operator out" in operator.deploy("--data only=users", status=1)
    operator.settings(users=only_new, ssh_key=str(new))
    operator.deploy("--data only=users")
    operator.settings(users=only_new)
    assert "refused" in operator.type(f"{PROD} playbooks/status.py -y", status=1)
    # The last key is lost: through the provider's console.
    command = on("replace-a-key", "install -o deploy").replace("ssh-ed25519 AAAA... you", old)
    inside(operator.host, "bash", command)
    operator.settings()
    assert "shop" in operator.type(f"{PROD} playbooks/status.py -y")
    operator.deploy("--data only=users")


def test_change_the_ssh_port(operator: Operator) -> None:
    operator.settings(ssh={"ports": [922]})
    refused = operator.deploy("--data only=ssh,firewall", status=1)
    assert "Set it to [22, 922] and run this again" in refused
    operator.settings(ssh={"ports": [22, 80]})
    assert "80 is nginx's" in operator.deploy("--data only=ssh,firewall", status=1)
    operator.settings(ssh={"ports": [22, 922]})
    operator.deploy("--data only=ssh,firewall")
    operator.inventory(ssh_port=922)
    operator.settings(ssh={"ports": [922]})
    operator.deploy("--data only=ssh,firewall")
    operator.inventory()
    said = operator.type(f"{PROD} playbooks/status.py -y", status=1)
    assert re.search(r"refuses connections|does not answer", said), said
    # Undone.
    operator.inventory(ssh_port=922)
    operator.settings(ssh={"ports": [922, 22]})
    operator.deploy("--data only=ssh,firewall")
    operator.inventory()
    operator.settings()
    operator.deploy("--data only=ssh,firewall")
    assert "922" not in inside(operator.host, "nft list table inet groundcrew; ss -Hltn")


def test_host_keys(operator: Operator) -> None:
    for start in ("rm ", "ssh-keygen -q", "systemctl restart"):
        inside(operator.host, on("host-keys", start))
    said = operator.type(f"{PROD} playbooks/status.py -y", status=1)
    assert "the host key of" in said
    [command] = re.findall(r"^ +(ssh-keygen -f .*)$", said, re.MULTILINE)[:1]
    operator.type(command)
    assert "shop" in operator.type(f"{PROD} playbooks/status.py -y")
    inside(operator.host, on("host-keys", "ssh-keygen -lf"))


def test_locked_out(operator: Operator) -> None:
    inside(operator.host, on("locked-out", "nft delete table"))
    inside(operator.host, on("locked-out", "systemctl restart"))
    operator.deploy("--data only=firewall")
    assert "policy drop" in inside(operator.host, "nft list table inet groundcrew")


def test_a_python_that_an_upgrade_replaced(operator: Operator) -> None:
    """What an upgrade of Debian leaves: packages for a Python that is not there any more."""
    before = inside(operator.host, "readlink /srv/shop/current")
    inside(operator.host, "sed -i 's/\"python\": \"3.11/\"python\": \"3.9/' "
           "/srv/shop/releases/*/release.json")  # fmt: skip
    operator.deploy()
    assert inside(operator.host, "readlink /srv/shop/current") != before
    assert operator.page()["kept"] == "x"
    assert " 0 failed" in operator.type(f"{PROD} playbooks/verify.py -y")


@pytest.mark.skipif(not FULL, reason="minutes: bin/test --full")
def test_upgrade_debian(tmp_path: Path) -> None:
    host = LabHost("e2e-howto-debian", "bookworm", bare=True)
    host.up()
    operator = Operator(tmp_path, host)
    operator.manifest(needs={}, secrets={})
    operator.write("inventory/prod.py", f"web = [{HOST!r}]\n")
    (tmp_path / "shop/app.py").write_text(CODE.replace("os.environ[name]", "os.environ.get(name)"))
    try:
        operator.deploy()
        assert operator.page(method="POST")["python"].startswith("3.11")
        for start in ("sed ", "apt-get update", "DEBIAN_FRONTEND"):
            inside(host, on("upgrade-debian", start), timeout=900)
        assert operator.page()["python"].startswith("3.11")
        operator.deploy()
        assert operator.page()["python"].startswith("3.13")
        host.reboot()
        until(lambda: operator.page()["kept"] == "x")
        assert " 0 failed" in operator.type(f"{PROD} playbooks/verify.py -y")
    finally:
        host.down()


def test_disk_full(operator: Operator) -> None:
    said = operator.type(
        f"{PROD} playbooks/preflight.py -y --data preflight.min_disk=99T", status=1
    )
    assert re.search(r"disk /srv: .* free, needs [\d.]+ GiB \(preflight\.min_disk\)", said)
    assert operator.page()["kept"] == "x"
    for start in ("du ", "journalctl ", "apt-get ", "find "):
        inside(operator.host, on("disk-full", start).replace("NAME", "shop"))
    operator.deploy()
    assert operator.page()["kept"] == "x"


def test_rename_an_application(operator: Operator) -> None:
    before = operator.page()
    table = "runuser -u postgres -- psql -qtd shop_database -c"
    inside(operator.host, f"{table} 'SET ROLE shop_database; CREATE TABLE kept AS SELECT 42'")
    (operator.project / "apps/shop.yml").unlink()
    renamed: dict[str, Any] = {"env": {"DATA": "/srv/store/shared/data"}}
    operator.manifest("store", **renamed)
    operator.settings("store")
    rename = on("rename-an-application", f"{PROD} playbooks/rename.py -y --data app=store")
    assert "so name: shop_database" in operator.type(rename, status=1)
    renamed["needs"] = {"database": {"service": "postgresql", "name": "shop_database"}}
    operator.manifest("store", **renamed)
    operator.type(rename)
    operator.deploy()
    after = operator.page()
    kept = ("kept", "API_KEY", "COOKIE_KEY")
    assert [after[key] for key in kept] == [before[key] for key in kept]
    assert inside(operator.host, f"{table} 'TABLE kept'").strip() == "42"
    owners = inside(operator.host, "find /srv/store/shared -user shop -o -group shop")
    assert owners == ""
    operator.type(on("rename-an-application", f"{PROD} playbooks/remove.py"))
    operator.type(f"{PROD} playbooks/remove.py -y --data app=shop --data purge=shop")
    assert operator.page() == after
    assert inside(operator.host, f"{table} 'TABLE kept'").strip() == "42"
    again = operator.type(f"{PROD} deploy.py -y --json")
    assert '"changed": true' not in again
