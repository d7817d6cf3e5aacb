"""groundcrew installed as a package, in a directory that holds nothing of the checkout."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from groundcrew.lab import hosts
from groundcrew.lab.inventory import host_data
from tests.e2e.harness import ROOT, LabHost, Run, pyinfra

APP = "packaged"
UV = ROOT / ".venv/bin/uv"
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", ".groundcrew", "__pycache__", "docs", "tests")


def run(*command: str | Path, cwd: Path | None = None) -> str:
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class Installed:
    """A virtualenv with the package, and a project of a user's own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "venv/bin"
        self.project = folder / "mysite"
        run(UV, "venv", "--quiet", folder / "venv")

    def install(self, version: str) -> None:
        tree = self.folder / version
        shutil.copytree(ROOT, tree, ignore=LEFT_OUT, symlinks=True)
        settings = tree / "pyproject.toml"
        text = settings.read_text()
        settings.write_text(text.replace('version = "0.1.0"', f'version = "{version}"'))
        wheels = self.folder / "wheels"
        run(UV, "build", "--quiet", "--wheel", "--out-dir", wheels, tree)
        [wheel] = wheels.glob(f"groundcrew-{version}-*.whl")
        run(UV, "pip", "install", "--quiet", "--python", self.bin / "python", wheel)
        shutil.rmtree(tree)

    def files(self) -> dict[str, bytes]:
        return {
            str(path.relative_to(self.project)): path.read_bytes()
            for path in self.project.rglob("*")
            if path.is_file()
            and not {".groundcrew", "__pycache__"} & {*path.relative_to(self.project).parts}
        }

    def deploy(self, host: LabHost, *options: str, **data: object) -> Run:
        command = [str(self.bin / "pyinfra")]
        return pyinfra(host.name, *options, data=data, project=self.project, program=command)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory, bookworm: LabHost) -> Iterator[Installed]:
    place = Installed(tmp_path_factory.mktemp("package"))
    place.install("0.1.0")
    yield place
    bookworm.out(f"systemctl stop '{APP}@*'; true")
    data = {"app": APP, "purge": APP}
    assert pyinfra(bookworm.name, playbook="playbooks/remove.py", data=data).status == 0
    assert pyinfra(bookworm.name).status == 0


def test_a_project_of_ones_own_deploys(installed: Installed, bookworm: LabHost) -> None:
    host, groundcrew = bookworm, installed.bin / "groundcrew"
    told = run(groundcrew, "init", installed.project)
    assert "README.md" in told
    schema = json.loads((installed.project / "app.schema.json").read_text())
    assert schema["required"] == ["source"]
    # What is there stays as it is.
    (installed.project / "README.md").write_text("mine")
    assert "0 new files" in run(groundcrew, "init", installed.project)
    # Never by its name alone, which others may have on an index.
    needed = (installed.project / "requirements.txt").read_text().splitlines()[-1]
    assert needed.startswith("groundcrew @ file:///")
    assert (installed.project / "README.md").read_text() == "mine"

    source = installed.folder / APP
    shutil.copytree(ROOT / "examples/hello", source)
    run(groundcrew, "new-app", source, cwd=installed.project)
    manifest = installed.project / f"apps/{APP}.yml"
    text = manifest.read_text()
    assert "$schema=../app.schema.json" in text
    manifest.write_text(f"{text}\ndomains: [{APP}.test]\n" if "domains:" not in text else text)
    data = host_data(hosts.find(host.name))
    inventory = installed.project / "inventory/prod.py"
    inventory.write_text(f"web = [({host.name!r}, {data!r})]\n")
    settings = installed.project / "group_data/web.py"
    settings.write_text(settings.read_text().replace(" = []", f' = ["{APP}"]'))

    done = installed.deploy(host)
    assert done.status == 0, done.stderr
    [domain] = domains(manifest)
    assert "It works" in host.get("/", domain).text
    assert installed.deploy(host).changed == []


def domains(manifest: Path) -> list[str]:
    line = next(line for line in manifest.read_text().splitlines() if line.startswith("domains:"))
    return [name.strip() for name in line.partition("[")[2].partition("]")[0].split(",")][:1]


def test_a_new_version_needs_no_edit_of_a_users_file(
    installed: Installed, bookworm: LabHost
) -> None:
    before = installed.files()
    installed.install("0.1.1")
    assert "0.1.1" in run(UV, "pip", "list", "--python", installed.bin / "python")
    done = installed.deploy(bookworm)
    assert done.status == 0, done.stderr
    assert done.changed == []
    assert installed.files() == before


def python_blocks() -> list[str]:
    text = (ROOT / "docs/roles.md").read_text()
    return [part.partition("```")[0] for part in text.split("```python\n")[1:]]


def test_single_roles_in_somebody_elses_project(installed: Installed, bookworm: LabHost) -> None:
    folder = installed.folder / "others"
    folder.mkdir()
    for name, block in zip(("deploy.py", "config.py"), python_blocks(), strict=True):
        (folder / name).write_text(block)
    data = host_data(hosts.find(bookworm.name))
    (folder / "inventory.py").write_text(f"servers = [({bookworm.name!r}, {data!r})]\n")
    command = [installed.bin / "pyinfra", "inventory.py", "deploy.py", "-y", "--sudo"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "harden sshd" in done.stderr
    assert bookworm.out("readlink /etc/localtime").endswith("Europe/Vienna")
