"""MongoDB from a repository besides Debian's: signed by the test, served on the host itself.

The server is a stand-in, see tests/e2e/mongodb/mongod.py. A second host of the inventory, which is
not part of any run, has the address of the machine that runs the test.
"""

from __future__ import annotations

import json
import os
import re
import socket
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import backup_source
from tests.e2e.harness import PYINFRA, ROOT, LabHost, Run, good, inside, pyinfra

PARTS = Path(__file__).parent / "mongodb"
STORE = "/var/lib/groundcrew/credentials"
PORT = 27017
INVENTORY = """\
import sys
sys.path.insert(0, {root!r})
from groundcrew.lab import inventory as _lab
_data, _others = {data!r}, {others!r}
_host = next(_d for _hosts in _lab.running().values() for _n, _d in _hosts if _n == {name!r})
web = [({name!r}, {{**_host, **_data}}), *_others]
mongodb = [{name!r}]
"""
INSERT = "client.shop_docs.orders.insert_one({'n': 1})"


@dataclass
class Lab:
    """The host with MongoDB and an application, and its inventory."""

    host: LabHost
    folder: Path
    first: Run | None = None

    @property
    def gateway(self) -> str:
        """The address at which the host sees the machine that runs the test."""
        return self.host.address.rpartition(".")[0] + ".1"

    def data(self, **more: Any) -> dict[str, Any]:
        source = {
            "url": "http://localhost:8472/",
            "suite": "bookworm/mongodb-org/8.0",
            "components": ["main"],
            "key": str(self.folder / "key.asc"),
            "packages": ["mongodb-*"],
        }
        need = {"service": "mongodb", "name": "shop_docs", "env": {"DOCS_URL": "url"}}
        app = {"needs": {"docs": need}, "release": {"check_window": 0}}
        base = {"apt_sources": {"mongodb": source}}
        return {"apps": ["hello"], "app": {"hello": app}, "base": base, **more}

    def inventory(self, far: bool = False, **more: Any) -> Path:
        needs = {"hello": {"needs": {"docs": {"service": "mongodb", "name": "shop_docs"}}}}
        others = [("far", {"address": self.gateway, "apps": ["hello"], "app": needs})]
        path = self.folder / "inventory.py"
        path.write_text(
            INVENTORY.format(
                root=str(ROOT), data=self.data(**more), others=others if far else [],
                name=self.host.name,
            )
        )  # fmt: skip
        return path

    def run(self, *options: str, far: bool = False, **more: Any) -> Run:
        playbook, data = more.pop("playbook", "deploy.py"), more.pop("data", None)
        inventory = self.inventory(far, **more)
        return pyinfra(self.host.name, *options, playbook=playbook, data=data, inventory=inventory)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = Lab(LabHost("mongodb", "bookworm", group="web,mongodb"), tmp_path_factory.mktemp("mdb"))
    lab.host.up()
    archive = subprocess.run(["tar", "-cC", PARTS, "."], check=True, capture_output=True).stdout
    subprocess.run(
        ["docker", "exec", "-i", lab.host.container, "sh", "-c",
         "mkdir -p /root/mongodb && tar -xC /root/mongodb && cd /root/mongodb && sh packages.sh"],
        input=archive, check=True, capture_output=True, timeout=400,
    )  # fmt: skip
    key = inside(lab.host, "cat /root/mongodb-repository/key.asc")
    (lab.folder / "key.asc").write_text(key)
    lab.first = lab.run()
    yield lab
    if not os.environ.get("GROUNDCREW_KEEP"):
        lab.host.down()


def variables(host: LabHost) -> dict[str, str]:
    lines = host.out("cat /srv/hello/current/env").splitlines()
    return {key: value.strip('"') for key, _, value in (line.partition("=") for line in lines)}


def asks(host: LabHost, url: str, program: str) -> subprocess.CompletedProcess[str]:
    """What comes of Python with a client of the server, as the application's user."""
    text = f"from pymongo import MongoClient\nclient = MongoClient('{url}')\n{program}\n"
    return subprocess.run(
        ["docker", "exec", "-i", host.container, "runuser", "-u", "hello", "--", "env", "-C", "/",
         "python3", "-"],
        input=text, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def passwords(host: LabHost) -> set[str]:
    told = host.out(f"for f in {STORE}/*/*/[ab]/password; do cat $f; echo; done")
    return set(re.findall(r"[A-Za-z0-9]{40}", told))


def test_the_first_run_provides_it_and_the_second_changes_nothing(lab: Lab) -> None:
    assert lab.first
    assert lab.first.status == 0, lab.first.stderr
    assert lab.host.out("dpkg-query -W -f '${Version}' mongodb-org-server") == "8.0.99"
    assert good(lab.run()).changed == []
    assert lab.run("--dry").planned == []


def test_the_application_has_its_database_and_nothing_else(lab: Lab) -> None:
    url = variables(lab.host)["DOCS_URL"]
    path = r"%2Frun%2Fmongodb%2Fmongodb-27017\.sock"
    form = rf"mongodb://hello_docs_a:\w{{40}}@{path}/shop_docs\?authSource=admin"
    assert re.fullmatch(form, url)
    assert asks(lab.host, url, INSERT).returncode == 0
    for program in ("client.other.x.find_one()", "client.admin.command('usersInfo', 1)"):
        assert "not authorized" in asks(lab.host, url, program).stderr.lower(), program
    anonymous = f"mongodb://127.0.0.1:{PORT}/"
    assert asks(lab.host, anonymous, "client.shop_docs.orders.find_one()").returncode != 0
    assert lab.host.out(f"stat -c %a:%U {STORE}") == "700:root"


def test_its_files_and_its_unit(lab: Lab) -> None:
    configuration = "/etc/groundcrew/mongodb/mongod.conf"
    host = lab.host
    assert host.out(f"stat -c %a:%U:%G {configuration}") == "640:root:mongodb"
    told = host.out(f"runuser -u mongodb -- mongod --config {configuration} --outputConfig")
    assert "security.authorization: enabled" in told
    assert "net.bindIp: 127.0.0.1\n" in told
    security = host.out("systemd-analyze security --no-pager mongod | tail -n 1")
    assert float(re.findall(r"mongod.service: ([0-9.]+)", security)[0]) <= 1.5
    # What the package brings is as it was.
    assert host.out("dpkg --verify mongodb-org-server; true") == ""


def test_status_and_client(lab: Lab) -> None:
    told = good(lab.run(playbook="playbooks/status.py")).stderr
    assert re.search(r"mongodb [0-9.]+: [0-9]+ of 200 connections", told)
    assert "shop_docs: " in told
    # This one shows its arguments. The administrator's password is none of them.
    done = subprocess.run(
        [*PYINFRA, str(lab.inventory()), "playbooks/client.py", "--limit", lab.host.name,
         "--data", "app=hello"],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=60, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert (
        "shop_docs --quiet --norc --nodb --shell /etc/groundcrew/mongodb/client.js" in done.stdout
    )


def test_no_password_is_seen(lab: Lab) -> None:
    host, secret = lab.host, passwords(lab.host)
    # It makes up another one while everything is printed.
    host.out(f"rm -r {STORE}/mongodb")
    watch = (
        "for i in $(seq 300); do cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' "
        ">> /root/seen; sleep 0.1; done"
    )
    host.out(f"systemd-run --quiet --collect --unit=watch sh -c {json.dumps(watch)}")
    done = subprocess.run(
        [*PYINFRA, str(lab.inventory()), "deploy.py", "-y", "-vvv", "--debug", "--diff"],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    host.out("systemctl stop watch.service 2>/dev/null || true")
    secret |= passwords(host)
    assert len(secret) == 6
    told = done.stdout + done.stderr
    assert "no password of hello_docs" in told
    told += host.out("cat /root/seen; rm /root/seen; journalctl --no-pager -o cat")
    assert not [item[:4] for item in secret if item in told]
    assert asks(host, variables(host)["DOCS_URL"], INSERT).returncode == 0


def test_a_rotation_replaces_the_login(lab: Lab) -> None:
    before = variables(lab.host)["DOCS_URL"]
    good(lab.run(playbook="playbooks/rotate.py", data={"app": "hello"}))
    after = variables(lab.host)["DOCS_URL"]
    assert "//hello_docs_b:" in after
    assert asks(lab.host, after, INSERT).returncode == 0
    assert asks(lab.host, before, INSERT).returncode != 0


def test_only_hosts_that_need_it_reach_it(lab: Lab) -> None:
    place = (lab.host.address, PORT)
    with pytest.raises(OSError, match=r"timed out|refused"):
        socket.create_connection(place, 2)
    good(lab.run(far=True))
    authority = lab.folder / "ca.pem"
    authority.write_text(inside(lab.host, "cat /etc/groundcrew/mongodb/tls.crt"))
    context = ssl.create_default_context(cafile=authority)
    # It answers for the address, with its certificate.
    with (
        socket.create_connection(place, 5) as plain,
        context.wrap_socket(plain, server_hostname=lab.host.address) as secure,
    ):
        assert secure.version() == "TLSv1.3"
    rules = inside(lab.host, "nft list table inet groundcrew")
    [rule] = [line.strip() for line in rules.splitlines() if str(PORT) in line]
    assert rule.startswith(f"ip saddr {lab.gateway} tcp dport")
    assert good(lab.run(far=True)).changed == []


@pytest.mark.parametrize(
    ("settings", "lines"),
    [
        ({"mongodb": {"cahe": "1G"}}, ("mongodb.cahe", 'did you mean "cache"')),
        ({"mongodb": {"parameters": {"security.authorization": "disabled"}}},
         ("mongodb.parameters.security.authorization", "authentication is always on")),
        ({"base": {}}, ("Debian has no mongodb-org-server", "base.apt_sources")),
    ],
)  # fmt: skip
def test_a_mistake_is_told_before_a_host_is_touched(
    lab: Lab, settings: dict[str, Any], lines: tuple[str, ...]
) -> None:
    run = lab.run(**settings)
    assert run.status == 1
    assert all(line in run.stderr for line in lines), run.stderr
    assert "Connecting" not in run.stderr


def test_what_the_server_refuses_changes_nothing(lab: Lab) -> None:
    before = inside(lab.host, "cat /etc/groundcrew/mongodb/mongod.conf")
    run = lab.run(far=True, mongodb={"parameters": {"net.tls.modus": "none"}})
    assert run.status == 1
    assert "Unrecognized option: net.tls.modus" in run.stderr
    assert inside(lab.host, "cat /etc/groundcrew/mongodb/mongod.conf") == before


def test_a_backup_brings_a_database_back(lab: Lab) -> None:
    host = lab.host
    inside(host, "apt-get -qq install mongodb-database-tools >/dev/null")
    backup_source.prepare(host)
    target = {"targets": {"one": {"type": "directory", "path": "/mnt"}}}
    source = backup_source.Source(
        host, backup_source.sources(host, lab.data(backup=target))["mongodb"]
    )
    url = variables(host)["DOCS_URL"]
    assert asks(host, url, "client.shop_docs.orders.create_index('n')").returncode == 0
    count = "assert client.shop_docs.orders.count_documents({}) == 3"
    assert asks(host, url, count).returncode == 0
    source.save("logs")
    source.restore()
    lost = "client.shop_docs.orders.drop(); client.shop_docs.later.insert_one({})"
    assert asks(host, url, lost).returncode == 0
    source.open()
    [line] = source.put_back("hello", "20261129")
    assert "database shop_docs; what it had is in " in line
    assert asks(host, url, count).returncode == 0
    again = "assert client.shop_docs.list_collection_names() == ['orders']\n"
    again += "assert 'n_1' in client.shop_docs.orders.index_information()"
    assert asks(host, url, again).returncode == 0
    source.forget("hello", "20261129")
    source.close()
    assert inside(host, "find /var/lib/groundcrew/backups/before -type f") == ""


def test_only_purge_deletes_a_database(lab: Lab) -> None:
    url = variables(lab.host)["DOCS_URL"]
    good(lab.run(apps=[]))
    assert "uthentication failed" in asks(lab.host, url, INSERT).stderr
    data = {"app": "hello", "purge": "yes"}
    assert "purge=hello" in lab.run(playbook="playbooks/remove.py", apps=[], data=data).stderr
    data["purge"] = "hello"
    run = good(lab.run(playbook="playbooks/remove.py", apps=[], data=data))
    assert "mongodb database shop_docs" in run.stderr + run.stdout
    assert lab.host.out(f"ls {STORE}/mongodb") == ""
    told = good(lab.run(apps=[], playbook="playbooks/status.py")).stderr
    assert "shop_docs" not in told
