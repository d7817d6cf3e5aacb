"""A clone of the project, and beside it the shop of README.md, as its operator has them."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.documented import manifests
from tests.documented.commands import Step
from tests.documented.pages import ROOT, block, blocks, span, variants

SHOP = Path(__file__).parent / "shop"
AT_ONCE = {"shop": {"release": {"check_window": 0, "drain": 0}}}
"""Nobody asks for the shop but these tests, so that no release has to wait."""

FIREWALL = {"allow": {"http": {"ports": [80, 443, 8081]}}}
FILE = re.compile(r"^# (?:group_data|inventory)/(\w+\.py)$", re.MULTILINE)


class Clone:
    """The project in `folder/groundcrew`; `folder/examples` has the blocks of the pages."""

    def __init__(self, folder: Path) -> None:
        self.root, self.home = folder / "groundcrew", folder / "home"
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT, check=True, capture_output=True, text=True,
        ).stdout  # fmt: skip
        for name in filter(None, listed.split("\0")):
            if (ROOT / name).exists() and not name.startswith("tests/"):
                (self.root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, self.root / name, follow_symlinks=False)
        (self.root / ".venv").symlink_to(ROOT / ".venv")
        shutil.copytree(SHOP, folder / "shop")
        (self.home / ".ssh").mkdir(mode=0o700, parents=True)
        manifests.write_files(self.root)
        write_examples(folder / "examples")
        self.first_host()

    def first_host(self) -> None:
        """The lines of "Your first host" that are no commands."""
        inventory, group = self.root / "inventory/prod.py", self.root / "group_data/web.py"
        text = inventory.read_text(encoding="utf-8").partition("web: list")[0]
        inventory.write_text(f"{text}{span('README', 'web = [')}\n", encoding="utf-8")
        text = group.read_text(encoding="utf-8")
        text = re.sub(r"^apps = .*$", span("README", "apps = ["), text, flags=re.MULTILINE)
        group.write_text(f"{text}\napp = {AT_ONCE!r}\n", encoding="utf-8")

    def run(self, step: Step, command: str) -> subprocess.CompletedProcess[str]:
        """What comes of a step, all output in one."""
        if step.on_host:
            command = f"echo {shlex.quote(command)} | bin/lab ssh web1 sudo -n timeout 2 bash -s"
        return subprocess.run(
            ["bash", "-c", "\n".join(["set -e", step.before, command, step.after])],
            cwd=self.root,
            env={
                **os.environ,
                **manifests.VARIABLES,
                "HOME": str(self.home),
                "PATH": f"{ROOT}/.venv/bin:{os.environ['PATH']}",
                "PYTHONPATH": "",
                "SSH_AUTH_SOCK": "",
            },
            input=step.typed,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )


def typed(step: Step) -> list[str]:
    """The command lines of a step, but for the words that stand for others."""
    added = [*filter(None, [step.command, step.more])]
    forms = variants(" ".join([*filter(None, [step.to]), *added]))
    return {"short": forms[:1], "long": forms[-1:], "both": forms}[step.form]


def filled(step: Step, command: str, older: Callable[[], str]) -> str:
    """The command with the words that are meant; `older` finds a release."""
    for word, meant in step.names.items():
        command = command.replace(word, meant)
    return command.replace("=ID", f"={older()}") if command.endswith("=ID") else command


def write_examples(folder: Path) -> None:
    """The blocks, each in a file of its own, and what the steps put into the project."""
    (folder / "together").mkdir(parents=True)
    for item in blocks():
        if item.language == "yaml":
            (folder / f"{item.id}.yml").write_text(item.text, encoding="utf-8")
        elif item.language == "python":
            _write_python(folder / item.id, item.text)
    names = []
    for item in manifests.examples():
        if item.id in manifests.NOT_DEPLOYED:
            continue
        own = {manifests.app_name(item): manifests.manifest(item), **manifests.others(item)}
        for name, values in own.items():
            names.append(name)
            (folder / "together" / f"{name}.yml").write_text(json.dumps(values), encoding="utf-8")
    group = f"apps = {['shop', *names]!r}\napp = {AT_ONCE!r}\nfirewall = {FIREWALL!r}\n"
    text = group + block("sites-5").text
    (folder / "together" / "web.py").write_text(text, encoding="utf-8")
    shop = manifests.manifest(block("README-2"))
    more = manifests.manifest(block("operations-2"))
    shop = manifests.merged(shop, {key: more[key] for key in ("secrets", "files")})
    (folder / "shop-with-secrets.yml").write_text(json.dumps(shop), encoding="utf-8")


def _write_python(folder: Path, text: str) -> None:
    """A block says in comments which files its parts are in."""
    folder.mkdir()
    _, *parts = FILE.split(text)
    for name, part in zip(parts[::2], parts[1::2], strict=True):
        (folder / name).write_text(part, encoding="utf-8")
