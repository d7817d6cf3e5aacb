"""Inventories from YAML and from commands: shapes, Ansible's variables, and mistakes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pyinfra.api.exceptions import InventoryError

from groundcrew.inventories import groups_of_file, hosts_from_command, hosts_from_yaml
from groundcrew.operator import inventory as chooser
from tests.documented.pages import blocks
from tests.unit.checkout import ROOT

SHORT = """\
lb:
  - lb1.test: {address: 10.0.0.4}
web:
  - web1.test
  - web2.test: {app: {shop: {server: {workers: 4}}}}
"""
ANSIBLE = """\
all:
  vars: {ansible_port: 2222, firewall: {ping: false}}
  children:
    europe:
      children:
        web:
          vars: {firewall: {log_drops: true}, ansible_user: debian}
          hosts:
            web1.test: {ansible_host: 203.0.113.1, ansible_python_interpreter: /usr/bin/python3}
            web2.test:
    db:
      hosts:
        db1.test: {ansible_port: "22", ansible_become: true}
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "hosts.yml"
    path.write_text(text)
    return path


def printing(value: Any) -> list[str]:
    """A command that prints JSON."""
    text = value if isinstance(value, str) else json.dumps(value)
    return [sys.executable, "-c", f"print({text!r})"]


def test_the_short_shape(tmp_path: Path) -> None:
    groups = hosts_from_yaml(written(tmp_path, SHORT))
    assert groups["lb"] == [("lb1.test", {"address": "10.0.0.4"})]
    assert groups["web"] == [
        ("web1.test", {}),
        ("web2.test", {"app": {"shop": {"server": {"workers": 4}}}}),
    ]


def test_the_shape_of_ansible(tmp_path: Path) -> None:
    groups = hosts_from_yaml(written(tmp_path, ANSIBLE))
    web1 = {
        "ssh_hostname": "203.0.113.1",
        "ssh_port": 2222,
        "bootstrap_user": "debian",
        "firewall": {"ping": False, "log_drops": True},
    }
    assert dict(groups["web"])["web1.test"] == web1
    assert [name for name, _ in groups["europe"]] == ["web1.test", "web2.test"]
    assert groups["db"] == [("db1.test", {"ssh_port": 22, "firewall": {"ping": False}})]
    assert [name for name, _ in groups["all"]] == ["web1.test", "web2.test", "db1.test"]


def test_what_a_cloud_prints() -> None:
    told = {
        "_meta": {
            "hostvars": {
                "web1": {"ansible_host": "203.0.113.1", "hcloud_id": 7, "address": "10.0.0.1"}
            }
        },
        "all": {"children": ["ungrouped", "tag_role_web", "region_nbg"]},
        "tag_role_web": {"hosts": ["web1"]},
        "region_nbg": {"hosts": ["web1", "other"]},
    }
    groups = hosts_from_command(printing(told), groups={"tag_role_web": "web"}, ignore=["hcloud_*"])
    data = {"ssh_hostname": "203.0.113.1", "address": "10.0.0.1"}
    assert groups == {"web": [("web1", data)], "all": [("web1", data)]}
    with pytest.raises(
        InventoryError, match='no group "tag_role_wbe"; did you mean "tag_role_web"'
    ):
        hosts_from_command(printing(told), groups=["tag_role_wbe"])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("web: {host: {a: }}\n", 'web: "host" is none of a group\'s keys; did you mean "hosts"'),
        ("web: web1.test\n", "web: expected a list of hosts, but it is a text"),
        ("- web1.test\n", "expected groups, each with its hosts, but it is a list"),
        ("web: [{a: {}, b: {}}]\n", "web[0]: expected the name of a host"),
        ("web:\n  - web1.test: [secret]\n", "web[0].web1.test: expected keys with values"),
        ("web: [web1.test\n", "(line "),
        ("web: [a]\nweb: [b]\n", 'key "web" is given twice'),
        ("plugin: hcloud\n", "let Ansible run it"),
        ("a: {children: [b]}\nb: {children: [a]}\n", "a -> b -> a: a group is in itself"),
        ("web: []\n", "it has no hosts"),
        ("web: [{a: {ansible_connection: docker}}]\n", "a: ansible_connection: hosts are reached"),
        ("web: [{a: {ansible_password: hunter2}}]\n", "a: ansible_password: hosts are"),
        ("web: [{a: {ansible_port: ssh}}]\n", "a: ansible_port: expected a number"),
    ],
)  # fmt: skip
def test_a_mistake_names_file_and_key(tmp_path: Path, text: str, told: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(InventoryError) as error:
        hosts_from_yaml(path)
    assert str(error.value).startswith(f"{path}: ")
    assert told in str(error.value)
    assert "secret" not in str(error.value)
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize("name", ["@local", "@docker/debian"])
def test_no_name_makes_a_run_act_on_the_operators_machine(tmp_path: Path, name: str) -> None:
    told = f'"{name}": names of hosts must not begin with "@"'
    with pytest.raises(InventoryError, match=told):
        hosts_from_command(printing({"web": {"hosts": ["web1", name]}}))
    with pytest.raises(InventoryError, match=told):
        hosts_from_yaml(written(tmp_path, f'web: ["{name}"]\n'))
    # Those of groups that are not taken are no hosts of the run.
    groups = hosts_from_command(printing({"web": ["web1"], "db": [name]}), groups=["web"])
    assert groups["all"] == [("web1", {})]


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["no-such-program-here", "--token=hunter2"], "no-such-program-here: not found"),
        (["sh", "-c", "echo no such project >&2; echo hunter2 >&2; exit 4"],
         "failed with exit status 4: no such project"),
        (["sh", "-c", "exit 1"], "failed with exit status 1: it printed no error"),
        (["sh", "-c", "echo hunter2"], "printed not JSON (line 1)"),
        (["true"], "printed nothing"),
        ("cloud list", 'expected a list of words, such as ["cloud", "list"]'),
        ([], "expected a command"),
    ],
)  # fmt: skip
def test_a_command_that_fails(command: Any, told: str) -> None:
    with pytest.raises(InventoryError) as error:
        hosts_from_command(command)
    assert told in str(error.value)
    assert "hunter2" not in str(error.value)


def test_a_command_that_does_not_end() -> None:
    with pytest.raises(InventoryError, match=r"has not ended after 0\.1 s"):
        hosts_from_command(["sleep", "5"], timeout=0.1)


def test_python_stays_what_pyinfra_makes_of_it(tmp_path: Path) -> None:
    assert groups_of_file(str(tmp_path / "prod.py")) is None
    with pytest.raises(InventoryError, match="no such file"):
        groups_of_file(str(tmp_path / "prod.yml"))


def test_pyinfra_takes_a_yaml_file_and_runs_a_command_once(tmp_path: Path) -> None:
    (tmp_path / "prod.yml").write_text("web:\n  - web1.test: {apps: []}\n")
    count = tmp_path / "count"
    program = tmp_path / "cloud"
    program.write_text(f"#!/bin/sh\necho x >> {count}\ncat {tmp_path / 'prod.json'}\n")
    program.chmod(0o755)
    (tmp_path / "prod.json").write_text('{"web": {"hosts": {"web1.test": {"apps": []}}}}')
    (tmp_path / "prod.py").write_text(
        "from groundcrew.inventories import hosts_from_command\n"
        f"globals().update(hosts_from_command([{str(program)!r}]))\n"
    )
    for name in ("prod.yml", "prod.json", "prod.py"):
        done = subprocess.run(
            [sys.executable, "-m", "pyinfra", tmp_path / name, "playbooks/settings.py",
             "--data=settings.key=apps"],
            cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "web1.test" in done.stdout
    assert count.read_text() == "x\n"


def test_the_inventories_of_the_documentation_are_read(tmp_path: Path) -> None:
    pages = [item for item in blocks() if item.page == "inventories"]
    texts = [item.text for item in pages if item.language == "yaml"]
    short, of_ansible = (hosts_from_yaml(written(tmp_path, text)) for text in texts)
    assert [name for name, _ in short["web"]] == ["web1.example.com", "web2.example.com"]
    assert of_ansible["db"] == [
        ("db1.example.com", {"bootstrap_user": "debian", "servers": ["postgresql"]})
    ]
    for item in pages:
        if item.language == "python":
            compile(item.text, item.id, "exec")


def test_groundcrew_takes_a_yaml_file_if_there_is_no_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chooser, "ROOT", tmp_path)
    monkeypatch.delenv(chooser.VARIABLE, raising=False)
    folder = tmp_path / "inventory"
    folder.mkdir()
    (folder / "prod.yml").touch()
    assert chooser.chosen(None) == "inventory/prod.yml"
    (folder / "prod.py").touch()
    assert chooser.chosen(None) == "inventory/prod.py"
    (folder / "stage.json").touch()
    # What is beside an inventory in Python is its data.
    with pytest.raises(chooser.InventoryError, match=r"is inventory/prod\.py, inventory/stage"):
        chooser.chosen("inventory/test.py")
