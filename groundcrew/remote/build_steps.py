"""Runs the steps of a build as the build user, in a unit that ends with everything it has started.

Runs on the host as `python3 -IS FILE` with a JSON payload on stdin: {"name", "do": [step],
"release": directory of the release, "environment_directory", "variables": {...}, "python":
interpreter, "uv", "archive": path or null, "requirements": as in
groundcrew/releases/requirements.py, "resolved": their versions as another host resolved them or
null, "exclude_newer": [options], "relocatable", "compile": bool, "app_dir": directory of the source
in which hooks run, "environment_hooks": [command], "hooks": [command], "hook_variables": {...},
"hook_timeout": seconds, "secrets": {...}, "shared": {relative path: where it leads}, "set_aside":
{relative path of them: where its files go}, "directories": [relative paths], "frontend": as in
groundcrew/releases/frontend.py or null, "node": directory of its programs or null, "cache"}.

The steps are the functions in STEPS. On failure the exit status is 1, and the failing command's
last lines and the reason are on stderr. Standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from groundcrew.remote.requirements import UV_EXPORT, combine, only_pins

LINES_SHOWN = 40
LAST_WORDS = 1.0
"""Seconds to wait for the remaining output of a command that has ended."""
RESOLVED = "requirements.lock"
"""File with the resolved versions of unpinned requirements, with hashes."""
FEW = 200
"""Number of files up to which compiling in one process is faster."""


class BuildError(Exception):
    """The build failed; the message says at which step."""


class Steps:
    """The build of one release."""

    def __init__(self, payload: dict[str, Any]) -> None:
        self.payload = payload
        self.app = Path(payload["release"]) / "app"
        self.directory = Path(payload["environment_directory"])
        self.venv = self.directory / "venv"
        self.uv = payload["uv"]

    def run(
        self,
        step: str,
        command: list[str],
        timeout: float | None = None,
        *,
        at: Path | None = None,
        path: str | None = None,
        more: dict[str, str] | None = None,
        secrets: bool = False,
    ) -> None:
        """Runs a command, and prints its last lines if it fails. Programs in `path` take
        precedence, `more` are additional variables, and with `secrets` it gets the build's secrets.
        Raises BuildError."""
        print(f"--> {self.payload['name']}: {step}", flush=True)
        environment = {**(more or {}), **self.payload["variables"]}
        environment |= self.payload["secrets"] if secrets else {}
        environment["PATH"] = f"{self.venv}/bin:{environment['PATH']}"
        if path:
            environment["PATH"] = f"{path}:{environment['PATH']}"
        try:
            process = subprocess.Popen(
                command,
                cwd=at or self.app,
                env={**environment, "VIRTUAL_ENV": str(self.venv)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,
            )
        except OSError as error:
            raise BuildError(f"{step}: {error}") from None
        last: deque[str] = deque(maxlen=LINES_SHOWN)
        signal.signal(signal.SIGALRM, lambda *_: os.killpg(process.pid, signal.SIGKILL))
        signal.alarm(int(timeout or 0))
        stdout = process.stdout
        assert stdout is not None
        reader = threading.Thread(
            target=lambda: last.extend(line.rstrip("\n") for line in stdout), daemon=True
        )
        reader.start()
        try:
            status = process.wait()
        finally:
            signal.alarm(0)
        # Background processes may keep the pipe open; the unit ends them with everything else.
        reader.join(LAST_WORDS)
        if status != 0:
            print("\n".join(last), file=sys.stderr, flush=True)
            reason = f"exit status {status}" if status >= 0 else f"signal {-status}"
            if timeout and status == -signal.SIGKILL:
                reason = f"longer than {timeout} s"
            raise BuildError(f"{step}: {reason}")

    def unpack(self) -> None:
        """Unpacks the source into `app/`."""
        self.app.mkdir(exist_ok=True)
        (self.app.parent / "venv").symlink_to(self.venv)
        if self.payload["archive"]:
            # Bundles have no timestamps, and tools that repack the files (wheels are zip files)
            # need some.
            unpack = ["tar", "-xzf", self.payload["archive"], "--no-same-owner", "--touch"]
            self.run("unpack the source", unpack)
        if not (self.app / self.payload["app_dir"]).is_dir():
            raise BuildError(f"app_dir: the source has no directory {self.payload['app_dir']}")

    def link_shared(self) -> None:
        """Links the directories that outlive the release into it."""
        for relative, target in self.payload["shared"].items():
            link = self.app / relative
            if relative in self.payload["set_aside"] and not link.is_symlink():
                aside = self.app / self.payload["set_aside"][relative]
                aside.parent.mkdir(parents=True, exist_ok=True)
                link.rename(aside)
            if link.is_dir() and not link.is_symlink():
                if any(link.iterdir()):
                    raise BuildError(f"shared directory {relative} is not empty in the source")
                link.rmdir()
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(target)

    def make_directories(self) -> None:
        """Creates the directories of configuration files, which are written after the build."""
        for relative in self.payload["directories"]:
            (self.app / relative).mkdir(parents=True, exist_ok=True)

    def build_frontend(self) -> None:
        """Builds the front end, or reuses a matching earlier result."""
        front = self.payload["frontend"]
        if not front:
            return
        source = self.app / front["directory"]
        cache = Path(self.payload["cache"])
        spec = {
            **front["spec"],
            "source": str(source),
            "target": str(source / front["spec"]["output"]),
            "store": str(cache / "frontend"),
            "npm_cache": str(cache / "npm"),
        }
        command = [sys.executable, "-ISc", front["program"], json.dumps(spec)]
        self.run(
            "build the front end",
            command,
            front["timeout"],
            path=self.payload["node"],
            secrets=True,
        )

    def make_environment(self) -> None:
        """Creates the virtualenv and installs the requirements."""
        create = [self.uv, "venv", "--quiet", "--python", self.payload["python"]]
        create += ["--relocatable"] if self.payload["relocatable"] else []
        self.run("create the virtualenv", [*create, str(self.venv)], at=self.directory)
        wanted = self.payload["requirements"]
        text, hashed = wanted["text"], wanted["hashed"]
        requirements = self.app.parent / "requirements.txt"
        folder = self.app if self.app.is_dir() else self.directory
        if wanted["export"]:
            folder = self.app / wanted["export"]["folder"]
            text, hashed = self.exported(wanted["export"], requirements, folder)
        requirements.write_text(text, encoding="utf-8")
        open_ended = not hashed and not wanted["export"]
        pins = self.resolve(requirements, folder) if open_ended else []
        hashes = ["--require-hashes"] if hashed else []
        self.run(
            "install the requirements",
            [*self.install(), *hashes, *pins, "--requirements", str(requirements)],
            at=folder,
            secrets=True,
        )
        (self.directory / "requirements.txt").write_text(text, encoding="utf-8")

    def install(self) -> list[str]:
        """uv's command line for installing into the virtualenv."""
        command = [self.uv, "pip", "install", *self.payload["exclude_newer"]]
        return [*command, "--compile-bytecode"] if self.payload["compile"] else command

    def install_source(self) -> None:
        """Installs the source itself into the virtualenv."""
        folder = self.payload["requirements"]["install"]
        self.run("install the source", [*self.install(), "--no-deps", f"./{folder}"], secrets=True)

    def resolve(self, requirements: Path, folder: Path) -> list[str]:
        """Pins unpinned requirements with hashes, to the versions that another host has resolved,
        if any. Returns uv's options that limit the installation to them."""
        target = self.directory / RESOLVED
        target.write_text(self.payload["resolved"] or "", encoding="utf-8")
        command = [self.uv, "pip", "compile", *self.payload["exclude_newer"], "--quiet"]
        command += ["--generate-hashes", "--no-annotate", "--no-header"]
        command += ["--python", str(self.venv), "--output-file", str(target), str(requirements)]
        self.run("resolve the requirements", command, at=folder, secrets=True)
        target.write_text(only_pins(target.read_text(encoding="utf-8")), encoding="utf-8")
        return ["--constraints", str(target)]

    def exported(self, export: dict[str, Any], target: Path, folder: Path) -> tuple[str, bool]:
        """The requirements pinned by `uv.lock`, with those of the server that it lacks; and whether
        all of them have hashes."""
        command = [self.uv, *UV_EXPORT]
        command += ["--python", self.payload["python"], "--output-file", str(target)]
        command += [f"--extra={extra}" for extra in export["extras"]]
        self.run("read uv.lock", command, at=folder, secrets=True)
        own = target.read_text(encoding="utf-8")
        return combine(own, export["server"], wanted=export["wanted"])

    def complete_environment(self) -> None:
        """Runs the application's hooks that complete the virtualenv."""
        for command in self.payload["environment_hooks"]:
            self.hook(command, {})

    def run_hooks(self) -> None:
        """Runs the application's build hooks."""
        for command in self.payload["hooks"]:
            self.hook(command, self.payload["hook_variables"])

    def hook(self, command: str, variables: dict[str, str]) -> None:
        """Runs one hook."""
        shell = ["sh", "-c", command]
        self.run(
            f"hook: {command}",
            shell,
            self.payload["hook_timeout"],
            at=self.app / self.payload["app_dir"],
            more=variables,
            secrets=True,
        )

    def compile(self) -> None:
        """Compiles the application's own files to bytecode: the release is read-only when it
        runs."""
        files = sum(1 for number, _ in enumerate(self.app.rglob("*.py")) if number <= FEW)
        jobs = "1" if files <= FEW else "0"
        python = str(self.venv / "bin" / "python")
        command = [python, "-m", "compileall", "-q", "-j", jobs]
        # Timestamps are ignored, since files may be shared with earlier releases. Changes that
        # someone makes on the host while debugging still take effect.
        self.run("compile", [*command, "--invalidation-mode", "checked-hash", "."])


STEPS: dict[str, Callable[[Steps], None]] = {
    "unpack": Steps.unpack,
    "front end": Steps.build_frontend,
    "environment": Steps.make_environment,
    "complete": Steps.complete_environment,
    "source": Steps.install_source,
    "shared": Steps.link_shared,
    "hooks": Steps.run_hooks,
    "directories": Steps.make_directories,
    "compile": Steps.compile,
}


def main() -> int:
    """Runs the steps of the payload on stdin."""
    payload = json.load(sys.stdin)
    os.umask(0o027)
    steps = Steps(payload)
    try:
        for name in payload["do"]:
            STEPS[name](steps)
    except (BuildError, OSError, UnicodeDecodeError) as error:
        where = "build failed at" if isinstance(error, BuildError) else "build failed"
        print(f"{payload['name']}: {where}: {error}", file=sys.stderr, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
