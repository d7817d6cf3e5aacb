"""Builds releases aside, each in its own directory, with its own virtualenv.

Runs on the host as root, as `python3 -c SCRIPT` with a JSON payload on stdin, a list of releases
that are built side by side, as many at a time as there are processors:
[{"name", "release", "archive": path or null, "user": build user, "group", "uv",
"python": {"interpreter", "wanted", "requires", "mirror"}, "requirements": as in
groundcrew/releases/requirements.py, "frontend": as in groundcrew/releases/frontend.py or null,
"apt": as in groundcrew/remote/build_packages.py, "exclude_newer": [options], "keep_cache": bool,
"compile": bool, "environment": {...}, "hooks": [...], "hook_timeout": seconds,
"shared": [relative paths], "directories": [relative paths], "metadata": {...},
"frontend_lock": directory of a front end's lockfile or null, "resolved": what another host has
made of the requirements or null, "on_failure": shell command}, ...]

Everything that runs foreign code runs as the build user. release.json is written last: a directory
without it was never finished, is not used, and is removed by the next build. On failure nothing of
the release stays, and exit status is 1 with the failing command's last lines on stderr; the others
are built to their end.
Standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from groundcrew.remote.build_packages import PackagesError, build_packages
from groundcrew.remote.interpreter import InterpreterError, find_interpreter
from groundcrew.remote.node import NodeError, install_node
from groundcrew.remote.requirements import UV_EXPORT, combine, only_pins, pinned_hashes
from groundcrew.remote.sbom import SBOM, sbom

LINES_SHOWN = 40
RESOLVED = "requirements.lock"
"""What requirements that leave versions open have become, with hashes."""
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"


class BuildError(Exception):
    """The build failed; the message says at which step."""


class Build:
    """One release being built."""

    def __init__(self, payload: dict[str, Any]) -> None:
        self.payload = payload
        self.root = Path("/srv") / payload["name"]
        self.directory = self.root / "releases" / payload["release"]
        self.app = self.directory / "app"
        self.venv = self.directory / "venv"
        self.python = str(payload["python"]["interpreter"])
        try:
            account = pwd.getpwnam(payload["user"])
        except KeyError:
            raise BuildError(
                f"no user {payload['user']}: this host needs deploy.py first"
            ) from None
        self.uid, self.gid = account.pw_uid, account.pw_gid

    def environment(self) -> dict[str, str]:
        """What builds see: no secrets, no variables of root's."""
        return {
            "HOME": str(self.root / "cache"),
            "LANG": "C.UTF-8",
            "PATH": f"{self.venv}/bin:/usr/local/bin:/usr/bin:/bin",
            "VIRTUAL_ENV": str(self.venv),
            "UV_CACHE_DIR": str(self.root / "cache" / "uv"),
            "UV_NO_CONFIG": "1",
            "UV_NO_PROGRESS": "1",
            "UV_PYTHON_DOWNLOADS": "never",
            "SSL_CERT_FILE": CERTIFICATES,
            "NODE_EXTRA_CA_CERTS": CERTIFICATES,
            **self.payload["environment"],
        }

    def run(
        self,
        step: str,
        command: list[str],
        timeout: float | None = None,
        at: str = ".",
        path: Path | None = None,
    ) -> None:
        """Run a command as the build user in the release; its output is passed through. Programs
        in `path` come first."""
        print(f"--> {self.payload['name']}: {step}", flush=True)
        environment = self.environment()
        first = {"PATH": f"{path}:{environment['PATH']}"} if path else {}
        process = subprocess.Popen(
            command,
            cwd=self.app / at,
            env={**environment, **first},
            user=self.uid,
            group=self.gid,
            extra_groups=[],
            umask=0o027,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
            # What serves on this host goes first.
            preexec_fn=lambda: os.nice(15),  # noqa: PLW1509 - this program has one thread
        )
        last: deque[str] = deque(maxlen=LINES_SHOWN)
        signal.signal(signal.SIGALRM, lambda *_: os.killpg(process.pid, signal.SIGKILL))
        signal.alarm(int(timeout or 0))
        assert process.stdout is not None
        try:
            for line in process.stdout:
                last.append(line.rstrip("\n"))
            status = process.wait()
        finally:
            signal.alarm(0)
        if status != 0:
            print("\n".join(last), file=sys.stderr, flush=True)
            reason = f"exit status {status}" if status >= 0 else f"signal {-status}"
            if timeout and status == -signal.SIGKILL:
                reason = f"longer than {timeout} s"
            raise BuildError(f"{step}: {reason}")

    @contextmanager
    def as_builder(self) -> Iterator[None]:
        """What is read as the build user is no link to what only root can read."""
        os.seteuid(self.uid)
        try:
            yield
        finally:
            os.seteuid(0)

    def unpack(self) -> None:
        """The source, into `app/`."""
        self.app.mkdir()
        os.chown(self.app, self.uid, self.gid)
        archive = self.payload["archive"]
        if archive:
            os.chown(archive, self.uid, self.gid)
            os.chown(os.path.dirname(archive), self.uid, self.gid)
            # Bundles carry no times, and what packs the files again (wheels are zips) needs some.
            unpack = ["tar", "-xzf", archive, "--no-same-owner", "--touch"]
            self.run("unpack the source", unpack)
            shutil.rmtree(os.path.dirname(archive), ignore_errors=True)

    def link_shared(self) -> None:
        """Directories that outlive the release, linked into it."""
        for relative in self.payload["shared"]:
            link = self.app / relative
            if link.is_dir() and not link.is_symlink():
                if any(link.iterdir()):
                    raise BuildError(f"shared directory {relative} is not empty in the source")
                link.rmdir()
            self.run(f"link {relative}", ["mkdir", "-p", str(link.parent)])
            link.symlink_to(self.root / "shared" / relative)

    def make_directories(self) -> None:
        """Those of the configuration files, which are written when the release is built."""
        for relative in self.payload["directories"]:
            self.run(f"directory {relative}", ["mkdir", "-p", relative])

    def find_interpreter(self) -> None:
        """The Python that the release is made with: the host's, or one that uv fetches."""
        try:
            self.python, version = find_interpreter(
                self.payload["python"], self.payload["uv"], self.environment(), capture
            )
        except InterpreterError as error:
            raise BuildError(str(error)) from None
        self.payload["metadata"]["python"] = version

    def build_frontend(self) -> None:
        """The front end's files, unless there are any from an earlier release that fit."""
        front = self.payload["frontend"]
        if not front:
            return
        source = self.app / front["directory"]
        cache = self.root / "cache"
        spec = {
            **front["spec"],
            "source": str(source),
            "target": str(source / front["spec"]["output"]),
            "store": str(cache / "frontend"),
            "npm_cache": str(cache / "npm"),
        }
        command = [sys.executable, "-ISc", front["program"], json.dumps(spec)]
        node = self.node(front) if front["node"] else None
        self.run("build the front end", command, front["timeout"], path=node)

    def node(self, front: dict[str, Any]) -> Path:
        """Where the Node.js that is wanted has its programs."""
        environment = self.environment()
        command = [self.payload["uv"], "pip", "install", "--python", self.python]
        try:
            return install_node(
                front["node"],
                front["node_version"],
                lambda more: capture(command + more, environment),
            )
        except NodeError as error:
            raise BuildError(str(error)) from None

    def install(self) -> None:
        """The virtualenv with everything in the requirements."""
        uv = self.payload["uv"]
        self.run(
            "create the virtualenv",
            [uv, "venv", "--quiet", "--python", self.python, str(self.venv)],
        )
        wanted = self.payload["requirements"]
        text, hashed = wanted["text"], wanted["hashed"]
        requirements = self.directory / "requirements.txt"
        folder = "."
        if wanted["export"]:
            folder = wanted["export"]["folder"]
            text, hashed = self.exported(wanted["export"], requirements)
        write_new(requirements, text, self.uid, self.gid)
        install = [uv, "pip", "install", *self.payload["exclude_newer"]]
        install += ["--compile-bytecode"] if self.payload["compile"] else []
        open_ended = not hashed and not wanted["export"]
        pins = self.resolve(requirements, folder) if open_ended else []
        hashes = ["--require-hashes"] if hashed else []
        self.run(
            "install the requirements",
            [*install, *hashes, *pins, "--requirements", str(requirements)],
            at=folder,
        )
        if wanted["install"]:
            self.run("install the source", [*install, "--no-deps", f"./{wanted['install']}"])

    def resolve(self, requirements: Path, folder: str) -> list[str]:
        """Pins what the requirements leave open, with hashes, as another host has done where one
        has; uv's options to install that and nothing else."""
        target = self.directory / RESOLVED
        write_new(target, self.payload["resolved"] or "", self.uid, self.gid)
        command = [self.payload["uv"], "pip", "compile", *self.payload["exclude_newer"], "--quiet"]
        command += ["--generate-hashes", "--no-annotate", "--no-header"]
        command += ["--python", str(self.venv), "--output-file", str(target), str(requirements)]
        self.run("resolve the requirements", command, at=folder)
        with self.as_builder():
            text = target.read_text(encoding="utf-8")
        write_new(target, only_pins(text))
        return ["--constraints", str(target)]

    def exported(self, export: dict[str, Any], target: Path) -> tuple[str, bool]:
        """What a `uv.lock` pins, and what it lacks of the server's; whether all of it is hashed."""
        command = [self.payload["uv"], *UV_EXPORT]
        command += ["--python", self.python, "--output-file", str(target)]
        command += [f"--extra={extra}" for extra in export["extras"]]
        self.run("read uv.lock", command, at=export["folder"])
        with self.as_builder():
            own = target.read_text(encoding="utf-8")
        return combine(own, export["server"], wanted=export["wanted"])

    def compile(self) -> None:
        """Byte code of the application's own files: the release is read-only when it runs."""
        python = str(self.venv / "bin" / "python")
        self.run("compile", [python, "-m", "compileall", "-q", "-j", "0", "."])

    def list_parts(self) -> None:
        """The release's bill of materials, beside what it lists."""
        lock = self.payload["frontend_lock"]
        with self.as_builder():
            files = [self.directory / name for name in ("requirements.txt", RESOLVED)]
            pins = [file.read_text(encoding="utf-8") for file in files if file.exists()]
            try:
                text = sbom(
                    {"name": self.payload["name"], **self.payload["metadata"]},
                    self.venv,
                    pinned_hashes("\n".join(pins)),
                    self.app / lock if lock is not None else None,
                )
            except (KeyError, TypeError, ValueError) as error:
                raise BuildError(f"list what it is made of: {error!r}") from None
        write_new(self.directory / SBOM, text)

    def finish(self) -> None:
        """Mark the release as built."""
        partial = self.directory / ".release.json"
        write_new(partial, json.dumps(self.payload["metadata"], indent=2) + "\n")
        partial.rename(self.directory / "release.json")
        # Onto the disk soon, but nobody waits for what apt has just written too.
        subprocess.Popen(["sync"], start_new_session=True)

    def make(self) -> None:
        """Build the release; remove it again when a step fails."""
        remove_unfinished(self.directory.parent)
        self.find_interpreter()
        with build_packages(self.payload["apt"]):
            self.make_all()

    def make_all(self) -> None:
        """The steps, with everything there that they need."""
        self.directory.mkdir(mode=0o750)
        os.chown(self.directory, self.uid, self.gid)
        try:
            self.unpack()
            self.build_frontend()
            self.link_shared()
            self.install()
            for command in self.payload["hooks"]:
                self.run(f"hook: {command}", ["sh", "-c", command], self.payload["hook_timeout"])
            self.make_directories()
            if self.payload["compile"]:
                self.compile()
            self.list_parts()
            self.finish()
        except BaseException:
            shutil.rmtree(self.directory, ignore_errors=True)
            raise
        finally:
            if not self.payload["keep_cache"]:
                for item in (self.root / "cache").iterdir():
                    self.run(f"remove {item.name} from the cache", ["rm", "-rf", str(item)], at="/")


def capture(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """The output of a command that runs as root, in an environment without surprises."""
    return subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        umask=0o022,
        check=False,
    )


def write_new(path: Path, text: str, uid: int = 0, gid: int = 0) -> None:
    """A new file, whatever is there: the directory is the build user's, who may have put a link to
    somebody else's file there."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "w") as file:
        file.write(text)
        os.fchown(file.fileno(), uid, gid)


def remove_unfinished(releases: Path) -> None:
    """Directories of builds that were cut off."""
    for folder in releases.iterdir():
        if folder.is_dir() and not (folder / "release.json").exists():
            print(f"--> remove {folder.name}, which was never finished", flush=True)
            shutil.rmtree(folder)


def build(payload: dict[str, Any]) -> int:
    """Builds one release; the exit status."""
    try:
        Build(payload).make()
    except (BuildError, PackagesError, OSError) as error:
        subprocess.run(["sh", "-c", payload["on_failure"]], check=False)
        where = "build failed" if isinstance(error, OSError) else "build failed at"
        print(f"{payload['name']}: {where}: {error}", file=sys.stderr)
        return 1
    finally:
        if payload["archive"]:
            shutil.rmtree(os.path.dirname(payload["archive"]), ignore_errors=True)
    return 0


def side_by_side(payloads: list[dict[str, Any]]) -> int:
    """Builds each release in a process of its own; the worst exit status."""
    statuses = []
    for number, payload in enumerate(payloads):
        if number >= (os.cpu_count() or 1):
            statuses.append(os.wait()[1])
        if os.fork() == 0:
            status = 1
            try:
                status = build(payload)
                sys.stdout.flush()
                sys.stderr.flush()
            finally:
                os._exit(status)
    while len(statuses) < len(payloads):
        statuses.append(os.wait()[1])
    return int(any(statuses))


def main() -> int:
    """Builds what the payload on stdin describes."""
    payloads = json.load(sys.stdin)
    return build(payloads[0]) if len(payloads) == 1 else side_by_side(payloads)


if __name__ == "__main__":
    sys.exit(main())
