"""The guard's programs on a host with directories of its own and stand-ins for systemd."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from groundcrew import remote
from groundcrew.entries import PathEntry, payload
from groundcrew.operations.guard import DIRECTORY, PROGRAM
from groundcrew.templates import render

# A power cut at the CUT-th change of the file system; and what was made to last.
WATCHED = """
import os as watched

def watch(name):
    real, count = getattr(watched, name), watched.environ.get("CUT")
    def call(path, *others, **options):
        if count:
            left = int(open(count).read()) - 1
            open(count, "w").write(str(left))
            if left == 0:
                watched._exit(9)
        if name == "fsync":
            with open(watched.environ["LOG"], "a") as log:
                log.write(f"fsync {watched.readlink(f'/proc/self/fd/{path}')}\\n")
        return real(path, *others, **options)
    setattr(watched, name, call)

for name in ("fsync", "rename", "replace", "unlink", "rmdir", "mkdir", "symlink"):
    watch(name)
"""


class Switch:
    """One host, with a change named `ssh`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.guard = root / "var/groundcrew/guard"
        self.state = self.guard / "ssh"
        self.program = root / "var/groundcrew/put_back.py"
        self.units = root / "systemd"
        self.log = root / "log"
        self.log.touch()
        for name in ("bin", "etc", "var", "systemd", "run"):
            (root / name).mkdir()
        for name in ("systemctl", "systemd-run"):
            self.stand_in(name)

    def stand_in(self, name: str, commands: str = "") -> None:
        program = self.root / "bin" / name
        program.write_text(f'#!/bin/sh\necho "{name} $*" >> {self.log}\n{commands}\n')
        program.chmod(0o755)

    def here(self, text: str) -> str:
        """A program or unit, with this host's directories."""
        return (
            text.replace("/var/lib/groundcrew", str(self.root / "var/groundcrew"))
            .replace("/etc/systemd/system", str(self.units))
            .replace('Path("/run")', f'Path("{self.root}/run")')
        )

    def source(self, program: str) -> str:
        return WATCHED + self.here(remote.source(program))

    def run(self, arguments: list[str], stdin: str = "", cut: int = 0) -> Any:
        """A command on the host; with a power cut at some change of the file system."""
        environment = {
            **os.environ,
            "PATH": f"{self.root / 'bin'}:{os.environ['PATH']}",
            "LOG": str(self.log),
        }
        if cut:
            (self.root / "cut").write_text(str(cut))
            environment["CUT"] = str(self.root / "cut")
        return subprocess.run(
            arguments, input=stdin, env=environment, capture_output=True, text=True, check=False
        )

    def apply(self, *entries: PathEntry, cut: int = 0, **options: Any) -> Any:
        request = {
            "name": "ssh",
            "seconds": 90,
            "program": remote.source("apply_files"),
            "way_back": self.source("guard_back"),
            "boot_unit": self.here(
                render("guard/boot.service.j2", state=DIRECTORY, program=PROGRAM)
            ),
            "entries": [payload(entry) for entry in entries],
            "validate": None,
            "snapshot": ["echo before > saved"],
            "activate": [f"echo activated >> {self.log}"],
            "restore": [f"echo restored $(cat saved) >> {self.log}"],
            "reactivate": [f"echo reactivated >> {self.log}"],
            **options,
        }
        program = self.source("guard")
        return self.run([sys.executable, "-ISc", program], json.dumps(request), cut)

    def put_back(self, *arguments: str, cut: int = 0) -> Any:
        return self.run([sys.executable, "-IS", str(self.program), *arguments], cut=cut)

    def boot(self, cut: int = 0) -> Any:
        """What the unit does, if its condition holds."""
        if not self.guard.is_dir() or not list(self.guard.iterdir()):
            return None
        return self.put_back("boot", cut=cut)

    def wake_up(self) -> None:
        """What the sleeper does when its time has come."""
        line = next(x for x in reversed(self.events()) if x.startswith("systemd-run"))
        script = line.partition("/bin/sh -c ")[2].replace("sleep 90", "true")
        self.run(["sh", "-c", f"eval {script}" if script.startswith("'") else script])

    def events(self, *kinds: str) -> list[str]:
        """The log, of the commands or of `kinds`, without what they say of themselves."""
        lines = self.log.read_text().splitlines()
        return [x for x in lines if x.startswith(kinds) or (not kinds and x[:5] != "fsync")]

    def left(self) -> list[str]:
        """The names of what is not decided or not cleared away."""
        return sorted(path.name for path in self.guard.iterdir())
