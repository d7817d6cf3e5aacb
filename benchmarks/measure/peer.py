"""The Ansible peer: benchmarks/peer/site.yml, with the files of a host of groundcrew's."""

from __future__ import annotations

import io
import json
import re
import tarfile
import time
import venv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from benchmarks.measure import lab, script
from groundcrew.lab import keys

HERE = lab.ROOT / "benchmarks" / "peer"
PROGRAMS = lab.ROOT / ".groundcrew" / "programs" / "ansible-peer"
HANDLERS = (
    (r"^/etc/systemd/system/", "systemd"),
    (r"^/etc/tmpfiles\.d/", "temporary files"),
    (r"^/etc/sysctl\.d/", "sysctl"),
    (r"^/etc/systemd/journald", "journald"),
    (r"^/etc/fail2ban/", "fail2ban"),
    (r"^/etc/ssh/", "sshd"),
    (r"^/etc/nftables\.d/", "packet filter"),
    (r"^/etc/nginx/", "nginx"),
    (r"^/srv/.*/app/", "applications"),
)
NO_CHANGE = "nothing"
SERVICES = ("nftables-groundcrew.service", "logrotate.timer", "fail2ban.service", "nginx.service")
OPTIONS = "-o ControlMaster=auto -o ControlPersist=60s -o UserKnownHostsFile=/dev/null"


class Peer:
    """Ansible with a kit of files, from one directory."""

    def __init__(self, folder: Path, source: str) -> None:
        self.folder = folder
        self.kit = folder / "kit"
        self.python = programs()
        self.variables = _unpack(self.kit, source)

    def run(
        self, hosts: Mapping[str, tuple[str, int]], user: str, *, mitogen: bool = False
    ) -> tuple[float, int]:
        """Runs the playbook. Returns the seconds, and the number of tasks that changed something.
        Raises BenchmarkError."""
        inventory = {
            "all": {
                "hosts": {
                    name: {"ansible_host": address, "ansible_port": port}
                    for name, (address, port) in hosts.items()
                },
                "vars": {
                    **self.variables,
                    "ansible_user": user,
                    "ansible_ssh_private_key_file": str(keys.PRIVATE_KEY),
                    "ansible_python_interpreter": "/usr/bin/python3",
                },
            }
        }
        (self.folder / "hosts.yml").write_text(json.dumps(inventory), encoding="utf-8")
        environment = {
            "ANSIBLE_HOST_KEY_CHECKING": "False",
            "ANSIBLE_PIPELINING": "True",
            "ANSIBLE_FORKS": str(len(hosts)),
            "ANSIBLE_SSH_ARGS": OPTIONS,
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self.folder / "control"),
            "ANSIBLE_LOCALHOST_WARNING": "False",
            **(_mitogen() if mitogen else {}),
        }
        program = str(PROGRAMS / "bin" / "ansible-playbook")
        started = time.time()
        done = lab.run(
            [program, "-i", str(self.folder / "hosts.yml"), str(HERE / "site.yml")],
            environment=environment,
        )
        seconds = time.time() - started
        changes = re.findall(r"changed=(\d+)", done.stdout.decode())
        return seconds, sum(map(int, changes))

    def change(self, line: str) -> None:
        """Adds a line to a file of nginx's."""
        paths = [item["path"] for item in self.variables["files"] if item["notify"] == "nginx"]
        with (self.kit / "files" / paths[0].lstrip("/")).open("a", encoding="utf-8") as file:
            file.write(line)


def programs() -> Path:
    """The virtualenv with Ansible and mitogen, made at the first use."""
    python = PROGRAMS / "bin" / "python"
    if not (PROGRAMS / "done").exists():
        venv.create(PROGRAMS, with_pip=True, clear=True)
        lock = HERE / "requirements.lock"
        lab.run([str(python), "-m", "pip", "install", "-q", "--require-hashes", "-r", str(lock)])
        (PROGRAMS / "done").touch()
    return python


def _mitogen() -> dict[str, str]:
    [place] = PROGRAMS.glob("lib/python3*/site-packages/ansible_mitogen/plugins/strategy")
    return {"ANSIBLE_STRATEGY_PLUGINS": str(place), "ANSIBLE_STRATEGY": "mitogen_linear"}


def _unpack(kit: Path, source: str) -> dict[str, Any]:
    """Unpacks the files of the host `source`, and returns the playbook's variables."""
    with tarfile.open(fileobj=io.BytesIO(script.kit(source))) as outer:
        member = outer.extractfile("files.tar")
        parameters = outer.extractfile("parameters")
        lock = outer.extractfile("uv.lock")
        assert member and parameters and lock
        given = dict(line.split("=", 1) for line in parameters.read().decode().splitlines())
        values = {key: value.strip("'") for key, value in given.items()}
        archive, uv_lock = member.read(), lock.read()
    directories, files, links = [], [], []
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for item in tar.getmembers():
            entry = {"path": f"/{item.name}", "owner": item.uname, "group": item.gname}
            entry["mode"] = f"{item.mode:04o}"
            if item.isdir():
                directories.append(entry)
            elif item.issym():
                links.append({"path": f"/{item.name}", "target": item.linkname})
            elif item.isfile() or item.islnk():
                files.append({**entry, "notify": _notify(f"/{item.name}")})
        tar.extractall(kit / "files", filter="tar", members=(m for m in tar if not m.issym()))
    listed = {item["path"] for item in directories}
    above = {str(Path(item["path"]).parent) for item in (*files, *links)} - listed
    # Those of Debian's packages keep their mode.
    directories = [*({"path": path} for path in sorted(above)), *directories]
    uv = values["UV_HOME"]
    apps = dict(pair.split("=") for pair in values["APPS"].split())
    directories = [{"path": uv, "owner": "root", "group": "root", "mode": "0755"}, *directories]
    files.append({"path": f"{uv}.lock", "owner": "root", "group": "root", "mode": "0644",
                  "notify": NO_CHANGE})  # fmt: skip
    (kit / "files" / f"{uv}.lock".lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
    (kit / "files" / f"{uv}.lock".lstrip("/")).write_bytes(uv_lock)
    public = keys.PRIVATE_KEY.with_suffix(".pub").read_text(encoding="utf-8")
    (kit / "authorized_keys").write_text(public, encoding="utf-8")
    return {
        "kit": str(kit),
        "admin": lab.ADMIN,
        "packages": values["PACKAGES"].split(),
        "uv": uv,
        "nft": "/etc/nftables.d/groundcrew.nft",
        "groups_of_apps": [name for app in apps for name in (app, f"{app}-web", f"{app}-build")],
        "users": _users(apps),
        "directories": directories,
        "files": files,
        "links": links,
        "services": [*SERVICES, *(f"{app}@{release}.service" for app, release in apps.items())],
        "apps": [
            _app(app, release, {item["path"]: item["target"] for item in links})
            for app, release in apps.items()
        ],
    }


def _notify(path: str) -> str:
    return next((name for pattern, name in HANDLERS if re.search(pattern, path)), NO_CHANGE)


def _users(apps: Mapping[str, str]) -> list[dict[str, Any]]:
    shell = "/usr/sbin/nologin"
    admin = {"name": lab.ADMIN, "groups": ["adm", "systemd-journal"], "system": False,
             "home": f"/home/{lab.ADMIN}", "shell": "/bin/bash"}  # fmt: skip
    nginx = {"name": "www-data", "groups": [f"{app}-web" for app in apps], "system": True,
             "home": "/var/www", "shell": shell}  # fmt: skip
    own = [
        {
            "name": name,
            "group": name,
            "groups": [f"{app}-build"],
            "system": True,
            "home": f"/srv/{app}/{place}",
            "shell": shell,
        }
        for app in apps
        for name, place in ((app, "shared/home"), (f"{app}-build", "cache"))
    ]
    return [admin, nginx, *own]


def _app(name: str, release: str, links: Mapping[str, str]) -> dict[str, str]:
    manifest = yaml.safe_load((lab.ROOT / "apps" / f"{name}.yml").read_text(encoding="utf-8"))
    folder = f"/srv/{name}/releases/{release}"
    return {
        "name": name,
        "unit": f"{name}@{release}.service",
        # A link to the part of the release that others share.
        "venv": links[f"{folder}/venv"],
        "requirements": f"{folder}/requirements.txt",
        "health": manifest["health"]["path"],
        "domain": manifest["domains"][0],
    }
