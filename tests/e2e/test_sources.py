"""Each kind of source and of requirements becomes a release that serves what it is made of."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import tarfile
import threading
import zipfile
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from groundcrew.lab import hosts
from groundcrew.lab.inventory import host_data
from groundcrew.lab.keys import KNOWN_HOSTS
from tests.e2e.harness import KEY, ROOT, LabHost, Run, inside, pyinfra

COPIED = (
    "config.py", "deploy.py", "group_data", "groundcrew", "playbooks", "roles", "templates",
)  # fmt: skip
# Says where it comes from and what it runs with.
APP = """\
import importlib.metadata, json, os, platform

def app(environ, start_response):
    body = json.dumps({
        "source": "SOURCE",
        "python": platform.python_version(),
        "home": os.environ["HOME"],
        "variables": sorted(os.environ),
        "writable": os.access(os.path.dirname(os.path.abspath(__file__)), os.W_OK),
        "packages": {d.name.lower(): d.version for d in importlib.metadata.distributions()},
    }).encode()
    start_response("200 OK", [("Content-Type", "application/json")])
    return [body]
"""
SERVER = re.findall(
    r"^gunicorn==(\S+)", (ROOT / "roles/gunicorn/requirements/wsgi.lock").read_text(), re.M
)[0]
UV = ROOT / ".venv/bin/uv"


class Project:
    """A project directory of its own, with the engine of this one and a lab host."""

    def __init__(self, root: Path, host: LabHost) -> None:
        self.root = root
        self.host = host
        self.env: dict[str, str] = {}
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                # With its bytecode, which pyinfra would not write.
                shutil.copytree(source, root / name)
            else:
                shutil.copy(source, root / name)
        data = host_data(hosts.find(host.name))
        self.write("inventory/prod.py", f"web = [({host.name!r}, {data!r})]\n")

    def write(self, path: str, text: str) -> Path:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        return target

    def source(self, path: str, source: str) -> Path:
        """An application's module."""
        return self.write(path, APP.replace("SOURCE", source))

    def app(self, name: str, **manifest: Any) -> None:
        """A manifest, in JSON, which is YAML."""
        defaults = {
            "entry": "app:app",
            "domains": [f"{name}.test"],
            "server": {"workers": 1},
            "release": {"drain": 0, "check_window": 0},
        }
        self.write(f"apps/{name}.yml", json.dumps({**defaults, **manifest}))

    def deploy(self, *apps: str, data: Mapping[str, Any] | None = None) -> Run:
        given = {"apps": list(apps), **(data or {})}
        return pyinfra(self.host.name, data=given, env=self.env, project=self.root)

    def leave(self, *apps: str) -> None:
        """The host gets its own applications back, for the tests after these."""
        for name in apps:
            self.host.out(f"systemctl stop '{name}@*'")
        run = pyinfra(self.host.name)
        assert run.status == 0, run.stderr

    def says(self, name: str) -> dict[str, Any]:
        answer = self.host.get("/", f"{name}.test")
        assert answer.status_code == 200
        body: dict[str, Any] = answer.json()
        return body


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, bookworm: LabHost) -> Iterator[Project]:
    project = Project(tmp_path_factory.mktemp("project"), bookworm)
    yield project
    project.leave()


def wheel(path: Path, source: str) -> str:
    """A wheel of one module; its checksum."""
    info = "thing-1.5.dist-info"
    members = {
        "app.py": APP.replace("SOURCE", source),
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: thing\nVersion: 1.5\n"
        "Requires-Dist: itsdangerous==2.1.2; extra == 'signed'\nProvides-Extra: signed\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as packed:
        for name, text in members.items():
            packed.writestr(name, text)
    return hashlib.sha256(path.read_bytes()).hexdigest()


@contextmanager
def web(folder: Path, address: str = "127.0.0.1", token: str | None = None) -> Iterator[str]:
    """A web server with the files of a folder, for those who have the token; its address."""
    allowed = f"Basic {b64encode(f'bot:{token}'.encode()).decode()}" if token else None

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            if allowed is None or self.headers["Authorization"] == allowed:
                super().do_GET()
            else:
                self.send_error(401)

    handler = partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer((address, 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"{address}:{server.server_port}"
        server.shutdown()


def git(folder: Path, *arguments: str) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    options = ["-c", "user.name=n", "-c", "user.email=e@example.com"]
    options += ["-c", "protocol.file.allow=always", "-c", "init.defaultBranch=main"]
    done = subprocess.run(
        ["git", *options, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def test_files_and_addresses(project: Project) -> None:
    project.source("tar/thing-2/app.py", "archive")
    with tarfile.open(project.root / "thing-2.tar.gz", "w:gz") as archive:
        archive.add(project.root / "tar/thing-2", "thing-2")
    project.app("tar", source={"file": "thing-2.tar.gz"})
    checksum = wheel(project.root / "www/thing-1.5-py3-none-any.whl", "wheel")
    with web(project.root / "www") as address:
        url = f"http://{address}/thing-1.5-py3-none-any.whl"
        project.app("wheel", source={"url": url, "sha256": checksum}, extras=["signed"])
        run = project.deploy("tar", "wheel")
        assert run.status == 0, run.stderr
    assert project.says("tar")["source"] == "archive"
    answer = project.says("wheel")
    assert answer["source"] == "wheel"
    assert answer["packages"]["thing"] == "1.5"
    assert answer["packages"]["itsdangerous"] == "2.1.2"
    assert answer["home"] == "/srv/wheel/shared/home"
    assert not answer["writable"]
    # The address is gone, and nobody asks for it.
    assert project.deploy("tar", "wheel").changed == []


PYPROJECT = """\
[project]
name = "thing"
version = "3.0"
description = "a thing"
requires-python = ">=3.11"
dependencies = ["gunicorn==23.0.0", "itsdangerous<2.2"]
[project.optional-dependencies]
more = ["blinker"]
[build-system]
requires = ["flit_core>=3.2,<4"]
build-backend = "flit_core.buildapi"
[tool.flit.module]
name = "app"
"""


def test_what_a_project_says_it_needs(project: Project) -> None:
    project.source("pyproject/src/app.py", "pyproject")
    project.write("pyproject/src/thing.txt", "")
    project.write("pyproject/pyproject.toml", PYPROJECT)
    project.app(
        "pyproject",
        source={"directory": "pyproject"},
        install=True,
        extras=["more"],
        exclude_newer="2024-01-01",
    )
    project.source("lock/app.py", "lock")
    project.write("lock/pyproject.toml", PYPROJECT.replace('"gunicorn==23.0.0", ', ""))
    subprocess.run([UV, "lock", "-q"], cwd=project.root / "lock", check=True)
    lock = project.root / "lock/uv.lock"
    assert "2.1.2" in lock.read_text()
    project.app("locked", source={"directory": "lock"})
    run = project.deploy("pyproject", "locked")
    assert run.status == 0, run.stderr
    answer = project.says("pyproject")["packages"]
    assert answer["gunicorn"] == "23.0.0"
    assert answer["itsdangerous"] == "2.1.2"
    assert answer["thing"] == "3.0"
    # What is not pinned is not from after the day.
    assert answer["blinker"] == "1.7.0"
    answer = project.says("locked")["packages"]
    assert (answer["itsdangerous"], answer["gunicorn"]) == ("2.1.2", SERVER)
    assert "blinker" not in answer
    assert project.deploy("pyproject", "locked").changed == []


def test_an_application_in_a_directory_of_its_repository(project: Project) -> None:
    """Server, worker and hooks run there; all other paths are the source's own."""
    project.source("repository/backend/app.py", "backend")
    project.write("repository/backend/requirements.txt", "itsdangerous==2.2.0\n")
    project.write("repository/backend/public/logo.txt", "a logo\n")
    project.write("repository/frontend/readme.txt", "another part\n")
    manifest: dict[str, Any] = {
        "source": {"directory": "repository", "exclude": ["/frontend/"]},
        "app_dir": "backend",
        "requirements": "backend/requirements.txt",
        "static": {"path": "backend/public", "url": "/static/"},
        "hooks": {"build": ["pwd > built"], "release": ["pwd > $HOME/released"]},
        "workers": {"mail": {"command": "sh -c 'pwd > $HOME/worker; sleep infinity'"}},
    }
    project.app("monorepo", **manifest)
    assert project.deploy("monorepo").status == 0
    answer = project.says("monorepo")
    assert answer["source"] == "backend"
    assert answer["packages"]["itsdangerous"] == "2.2.0"
    assert project.host.get("/static/logo.txt", "monorepo.test").text == "a logo\n"
    home = "/srv/monorepo/shared/home"
    lines = project.host.out(
        f"cat /srv/monorepo/current/app/backend/built {home}/released {home}/worker"
    ).splitlines()
    assert [line.rpartition("/app/")[2] for line in lines] == ["backend"] * 3
    # What is excluded makes no release.
    project.write("repository/frontend/readme.txt", "changed\n")
    assert project.deploy("monorepo").changed == []
    # In an archive it is found out where that is unpacked.
    archive = project.root / "repository.tar.gz"
    subprocess.run(["tar", "-czf", archive, "-C", project.root, "repository"], check=True)
    gone = {**manifest, "source": {"file": str(archive)}, "app_dir": "back"}
    project.app("monorepo", **gone)
    run = project.deploy("monorepo")
    assert run.status == 1
    assert "app_dir: the source has no directory back" in run.stderr
    assert project.says("monorepo")["source"] == "backend"


REGISTRY = "https://registry.npmjs.org"


def test_what_shared_directories_begin_with(project: Project) -> None:
    host = project.host
    for path, text in {"data/sub/index": "first", "start/page": "hello"}.items():
        project.write(f"seeded/{path}", text)
    project.source("seeded/app.py", "seeded")
    project.write("seeded/requirements.txt", "gunicorn\n")
    manifest: dict[str, Any] = {
        "source": {"directory": "seeded"},
        "shared": ["data", "pages", "uploads"],
        "seeds": {"data": "data", "pages": "start"},
        "hooks": {"release": ["test -s data/sub/index && echo more >> data/sub/more"]},
    }
    project.app("seeded", **manifest)
    run = project.deploy("seeded", data={"prepare": "yes"})
    assert run.status == 0, run.stderr
    assert host.out("ls /srv/seeded/releases /srv/seeded/shared/uploads") == (
        "/srv/seeded/releases:\n\n/srv/seeded/shared/uploads:"
    )
    # Brought from elsewhere, before anything runs.
    host.out("echo old > /srv/seeded/shared/uploads/a; chown -R seeded: /srv/seeded/shared/uploads")
    run = project.deploy("seeded")
    assert run.status == 0, run.stderr
    assert project.says("seeded")["source"] == "seeded"
    listing = host.out("cd /srv/seeded/shared; grep -r . data pages uploads | sort")
    assert listing.splitlines() == [
        "data/sub/index:first",
        "data/sub/more:more",
        "pages/page:hello",
        "uploads/a:old",
    ]
    assert host.out("stat -c %U:%a /srv/seeded/shared/data/sub") == "seeded:750"
    # What the application has made of it stays.
    host.out("echo own > /srv/seeded/shared/pages/page")
    project.source("seeded/app.py", "seeded again")
    assert project.deploy("seeded").status == 0
    assert project.says("seeded")["source"] == "seeded again"
    assert host.out("cat /srv/seeded/shared/pages/page") == "own"
    assert project.deploy("seeded").changed == []


def test_packages_of_a_private_index(project: Project) -> None:
    token = "s3cret-of-the-index"
    folder = project.root / "index/thing"
    wheel(folder / "thing-1.5-py3-none-any.whl", "index")
    (folder / "index.html").write_text('<a href="thing-1.5-py3-none-any.whl">thing</a>')
    project.write("private/note.txt", "")
    manifest: dict[str, Any] = {
        "source": {"directory": "private"},
        "build_secrets": {"INDEX_TOKEN": {"env": "INDEX_TOKEN"}},
    }
    project.env["INDEX_TOKEN"] = token
    gateway = project.host.out("ip route show default").split()[2]
    with web(project.root / "index", gateway, token) as address:
        index = f"http://bot:${{INDEX_TOKEN}}@{address}/"
        needed = f"--extra-index-url {index}\nthing==1.5\ngunicorn\n"
        project.write("private/requirements.txt", needed)
        # What a build prints of it is not shown.
        project.app("private", **manifest, hooks={"build": ['echo "have $INDEX_TOKEN"; false']})
        run = project.deploy("private")
        assert run.status == 1
        assert "have ******" in run.stdout + run.stderr
        assert token not in run.stdout + run.stderr
        project.app("private", **manifest, hooks={"build": ['test -n "$INDEX_TOKEN"']})
        run = project.deploy("private")
        assert run.status == 0, run.stderr
        assert token not in run.stdout + run.stderr
    assert project.says("private")["packages"]["thing"] == "1.5"
    assert "INDEX_TOKEN" not in project.says("private")["variables"]
    places = "/srv /etc /run /var /opt /tmp"
    # Not by way of sudo, which writes down what it is asked for.
    assert inside(project.host, f"grep -rlsF {token} {places} || true") == ""
    assert inside(project.host, f"journalctl | grep -cF {token} || true").strip() == "0"
    # Another token is another way to the same.
    project.env["INDEX_TOKEN"] = "the-next-one"
    assert project.deploy("private").changed == []
    del project.env["INDEX_TOKEN"]


def test_front_ends_are_built_from_their_lockfile(project: Project) -> None:
    for name in ("onhost", "here"):
        project.source(f"{name}/app.py", name)
        web_folder = project.root / name / "web"
        shutil.copytree(ROOT / "tests/e2e/web", web_folder)
        # What a build on this machine may have left.
        project.write(f"{name}/web/node_modules/left/index.js", "")
        project.write(f"{name}/web/dist/index.html", "old")
        front = {
            "directory": "web",
            "registry": REGISTRY,
            "env": {"VITE_WHO": f"built {name}"},
        }
        kind = {"build": "operator"} if name == "here" else {"node": "22"}
        project.app(
            name,
            source={"directory": name},
            frontend={**front, **kind},
            health={"path": "/api/health"},
            secrets={"TOKEN": {"env": "GC_SOURCES_TOKEN"}},
        )
    project.env["GC_SOURCES_TOKEN"] = "never in a build"
    assert "registry.unreachable.test" in (project.root / "here/web/package-lock.json").read_text()
    run = project.deploy("onhost", "here")
    assert run.status == 0, run.stderr
    pages = {}
    for name in ("onhost", "here"):
        pages[name] = project.host.get("/some/where", f"{name}.test").text
        [path] = re.findall(r'src="(/assets/[^"]+\.js)"', pages[name])
        script = project.host.get(path, f"{name}.test").text
        assert f"built {name}" in script
        assert "production" in script
        assert project.host.get("/api/", f"{name}.test").json()["source"] == name
        folder = f"/srv/{name}/current/app/web"
        assert "node_modules" not in project.host.out(f"ls {folder}")
    assert project.deploy("onhost", "here").changed == []

    # A release of other code takes the front end that is there.
    project.source("onhost/app.py", "changed")
    project.host.out("rm -rf /srv/onhost/cache/npm")
    run = project.deploy("onhost", "here")
    assert run.status == 0, run.stderr
    assert not project.host.shell.file("/srv/onhost/cache/npm").exists
    assert project.host.get("/api/", "onhost.test").json()["source"] == "changed"
    assert project.host.get("/", "onhost.test").text == pages["onhost"]


COMPILED = """\
import shutil, subprocess

def app(environ, start_response):
    start_response("200 OK", [])
    return [subprocess.check_output(["./fast"]) + str(shutil.which("tcc")).encode()]
"""


def test_what_only_builds_need_goes_after_them(project: Project) -> None:
    host = project.host
    archives = "find /var/cache/apt/archives -name '*.deb'"
    downloaded = host.out(archives)
    packages = host.out("dpkg-query --show --showformat='${Package}\\n'")
    project.write("compiled/app.py", COMPILED)
    program = (
        "#include <stdio.h>\n#include <libpq-fe.h>\n"
        'int main(void) { return !(PQlibVersion() && puts("42")); }\n'
    )
    project.write("compiled/fast.c", program)
    project.app(
        "compiled",
        source={"directory": "compiled"},
        build_apt=["tcc", "libc6-dev", "libpq-dev", "openssl"],
        hooks={"build": ["tcc -I/usr/include/postgresql -o fast fast.c -lpq"]},
    )
    assert "openssl" in packages.splitlines()
    data = {"python.keep_cache": False}
    run = project.deploy("compiled", data=data)
    assert run.status == 0, run.stderr
    assert host.get("/", "compiled.test").text == "42\nNone"
    # But for the library that the program is linked with, and what that depends on.
    left = host.out("dpkg-query --show --showformat='${Package}\\n'").splitlines()
    more = set(left) - set(packages.splitlines())
    assert "libpq5" in more
    assert [name for name in more if "-dev" in name or name == "tcc"] == []
    assert set(packages.splitlines()) <= set(left)
    assert set(host.out(archives).split()) <= set(downloaded.split())
    assert host.out("ls -A /srv/compiled/cache /var/lib/groundcrew/build-packages*") == (
        "/var/lib/groundcrew/build-packages.install.lock\n"
        "/var/lib/groundcrew/build-packages.lock\n\n/srv/compiled/cache:"
    )
    assert project.deploy("compiled", data=data).changed == []


def test_a_private_repository_and_its_submodule(project: Project) -> None:
    host = project.host
    host.out("apt-get install --yes --no-install-recommends git")
    ssh = f"ssh -o UserKnownHostsFile={KNOWN_HOSTS} -o StrictHostKeyChecking=yes"
    work = project.root / "repository"
    for name, path in (("lib", "lib.py"), ("shop", "app.py")):
        host.out(f"sudo -u deploy git init -q --bare -b main /home/deploy/{name}.git")
        folder = work / name
        text = "NAME = 'from the submodule'\n" if name == "lib" else APP
        git(folder, "init", "-q")
        (folder / path).write_text(text.replace('"SOURCE"', "__import__('vendor.lib').lib.NAME"))
        if name == "shop":
            git(folder, "submodule", "add", "-q", "../lib", "vendor")
            url = "submodule.vendor.url"
            git(folder, "config", "--file", ".gitmodules", url, "../lib.git")
        git(folder, "add", ".")
        git(folder, "commit", "-q", "-m", "all")
        address = f"deploy@{host.address}:/home/deploy/{name}.git"
        git(folder, "-c", f"core.sshCommand={ssh} -i {KEY}", "push", "-qf", address, "HEAD:main")
    project.env["GIT_SSH_COMMAND"] = ssh
    source = {
        "git": f"deploy@{host.address}:/home/deploy/shop.git",
        "ref": "main",
        "submodules": True,
    }
    other = project.root / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", other], check=True)
    project.app("private", source={**source, "deploy_key": "other"})
    run = project.deploy("private")
    assert run.status == 1
    assert "app.private.source" in run.stderr and "Permission denied" in run.stderr
    project.app("private", source={**source, "deploy_key": str(KEY)})
    run = project.deploy("private")
    assert run.status == 0, run.stderr
    assert project.says("private")["source"] == "from the submodule"
    assert project.deploy("private").changed == []


def mirror(source: LabHost, target: LabHost) -> dict[str, str]:
    """A directory on one host with the interpreter of another, as uv's publisher has them; the
    settings that lead to it."""
    folder = "/srv/mirror"
    pack = ["docker", "exec", source.container, "tar", "-C", "/usr", "-c"]
    unpack = ["docker", "exec", "-i", target.container, "tar", "-C", f"{folder}/python", "-x"]
    target.out(f"mkdir -p {folder}/python {folder}/1")
    with subprocess.Popen(
        [*pack, "bin/python3.11", "lib/python3.11"], stdout=subprocess.PIPE
    ) as tar:
        subprocess.run(unpack, stdin=tar.stdout, check=True)
    archive = f"{folder}/1/cpython-3.11.tar.gz"
    # Debian's links to /etc would lead out of the archive.
    target.out(
        f"cd {folder} && find python -type l -lname '/*' -delete && tar -czf {archive} python"
    )
    checksum = target.out(f"sha256sum {archive}").split()[0]
    published = "https://github.com/astral-sh/python-build-standalone/releases/download"
    download = {
        "name": "cpython",
        "arch": {"family": "x86_64", "variant": None},
        "os": "linux",
        "libc": "gnu",
        "major": 3,
        "minor": 11,
        "patch": 2,
        "prerelease": "",
        "url": f"{published}/1/cpython-3.11.tar.gz",
        "sha256": checksum,
        "variant": None,
        "build": "1",
    }
    text = json.dumps({"cpython-3.11.2-linux-x86_64-gnu": download})
    target.out(f"cat > {folder}/list.json <<'END'\n{text}\nEND")
    return {
        "python.install_mirror": f"file://{folder}",
        "python.environment.UV_PYTHON_DOWNLOADS_JSON_URL": f"file://{folder}/list.json",
    }


def test_the_version_of_python_is_the_applications(
    tmp_path: Path, bookworm: LabHost, trixie: LabHost
) -> None:
    project = Project(tmp_path, trixie)
    data = mirror(bookworm, trixie)
    for name, version in (("older", "3.11"), ("same", "3.13"), ("gone", "3.12")):
        project.source(f"{name}/app.py", name)
        project.app(name, source={"directory": name}, python=version)
    run = project.deploy("older", "same", data=data)
    assert run.status == 0, run.stderr
    assert project.says("older")["python"] == "3.11.2"
    assert project.says("same")["python"].startswith("3.13.")
    assert project.deploy("older", "same", data=data).changed == []

    # What cannot be had is said before anything is built,
    run = project.deploy("older", "gone", data=data)
    assert run.status == 1
    assert "gone: build failed at: needs Python 3.12 (`python`): the host has none" in run.stderr
    assert trixie.out("ls /srv/gone/releases") == ""
    # and what the host's own will not do for, before anything is changed.
    project.source("new/app.py", "new")
    project.write("new/pyproject.toml", '[project]\nname = "new"\nrequires-python = ">=3.99"\n')
    project.app("new", source={"directory": "new"})
    run = project.deploy("older", "new", data=data)
    assert run.status == 1
    told = " ".join(run.stderr.split())
    assert "new's pyproject.toml requires >=3.99, the host has 3.13." in told
    assert "base | " not in run.stderr
    assert "new" not in trixie.out("ls /srv").split()
    assert project.says("older")["python"] == "3.11.2"
    trixie.out("rm -rf /srv/mirror")
    project.leave()


def test_what_is_not_pinned_is_the_same_on_every_host(
    tmp_path: Path, bookworm: LabHost, trixie: LabHost
) -> None:
    project = Project(tmp_path, bookworm)
    web = [(host.name, host_data(hosts.find(host.name))) for host in (bookworm, trixie)]
    project.write("inventory/prod.py", f"{web = }\n")
    for name in ("open", "tampered"):
        project.source(f"{name}/app.py", name)
        project.write(f"{name}/requirements.txt", "itsdangerous\n")
        project.app(name, source={"directory": name})
    bookworm.out("echo itsdangerous==2.1.2 > /etc/day.txt")
    run = project.deploy(
        "open", "tampered", data={"python.environment.UV_CONSTRAINT": "/etc/day.txt"}
    )
    assert run.status == 0, run.stderr
    pins = bookworm.out("cat /srv/open/current/requirements.lock")
    assert re.match(r"gunicorn==\S+( --hash=sha256:\w{64})+\nitsdangerous==2\.1\.2 --hash", pins)

    # Somebody has changed what the second host downloads, or the pins of the first.
    lock = "/srv/tampered/current/requirements.lock"
    tamper = "/^itsdangerous/s/sha256:[0-9a-f]{4}/sha256:0000/g"
    bookworm.out(f"sed -i -E '{tamper}' {lock}")
    both = f"{bookworm.name},{trixie.name}"
    run = pyinfra(both, data={"apps": ["open", "tampered"]}, project=project.root)
    assert run.status == 1
    assert "Hash mismatch for `itsdangerous==2.1.2`" in run.stderr
    assert trixie.out("ls /srv/tampered/releases") == ""

    run = pyinfra(both, data={"apps": ["open"]}, project=project.root)
    assert run.status == 0, run.stderr
    for host in (bookworm, trixie):
        answer = host.get("/", "open.test").json()
        assert answer["packages"]["itsdangerous"] == "2.1.2"
        host.out("systemctl stop 'open@*'")
    bookworm.out("rm /etc/day.txt; systemctl stop 'tampered@*'")
    for host in (bookworm, trixie):
        assert pyinfra(host.name).status == 0
