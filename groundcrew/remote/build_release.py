"""Builds releases from three parts: an environment, code, and the files of the release itself.

Runs on the host as root, as `python3 -c SCRIPT` with a JSON payload on stdin, a list of releases
that are built in parallel, as many at a time as there are processors: [{"name", "release",
"archive": path or null, "user": build user, "uv", "keys": {"environment", "code": names of what
each is made of, "source": of what is installed, or null}, "needs_source": whether requirements are
found in the source, "python": {"interpreter", "wanted", "requires", "mirror"}, "requirements": as
in groundcrew/releases/requirements.py, "frontend": as in groundcrew/releases/frontend.py or null,
"apt": as in groundcrew/remote/build_packages.py, "exclude_newer": [options], "keep_cache": bool,
"compile": bool, "variables": {...}, "secrets": variables that only the build user's steps get,
"app_dir": directory of the source in which hooks run, "environment_hooks": [...], "hooks": [...],
"hook_variables": {...}, "hook_timeout": seconds, "shared": [relative paths], "set_aside": {relative
path of them: where its files go}, "directories": [relative paths], "metadata": {...},
"frontend_lock": directory of a front end's lockfile or null, "resolved": what another host has made
of the requirements or null, "received": parts that another host has built, {"archive": path,
"sha256", "parts": [as in groundcrew/remote/parts.py]} or null, "builds": whether this host builds
what is missing, "limits": {directive: value}, "steps": text of build_steps.py, "run":
as in groundcrew/remote/run_lock.py, "on_failure": shell command}, ...]

Foreign code runs as the build user, in /srv/NAME/build, in a unit that sees nothing else of /srv.
Once the unit has ended with every process that it has started, root copies the result into
/srv/NAME/environments and /srv/NAME/code (see groundcrew/remote/seal.py), where only root can
change it. Existing parts are reused. The release's directory appears complete, in one rename. On
failure nothing of the release remains, the exit status is 1, and the failing command's last lines
are on stderr; the other releases are still built, and the last line on stdout names those that
failed (see groundcrew/remote/several.py). Standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import json
import os
import pwd
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

from groundcrew.remote.build_packages import PackagesError, build_packages
from groundcrew.remote.build_unit import StepsFailedError, Unit, end
from groundcrew.remote.build_variables import capture, variables
from groundcrew.remote.discard import discard
from groundcrew.remote.interpreter import InterpreterError, find_interpreter
from groundcrew.remote.node import NodeError, install_node
from groundcrew.remote.parts import CONTENT, PART, DamagedError, check, folders, mark, part_names
from groundcrew.remote.receive_parts import ReceivedError, unpack
from groundcrew.remote.requirements import pinned_hashes
from groundcrew.remote.run_lock import RunIsGoneError, step
from groundcrew.remote.sbom import SBOM, sbom
from groundcrew.remote.seal import SealError, copy_content, lend, seal
from groundcrew.remote.several import several

RESOLVED = "requirements.lock"
"""File with the resolved versions of unpinned requirements, with hashes."""
COMPARED = 2
"""Number of earlier parts to compare with a new one: identical files are hard links."""
TEXT_LIMIT = 32 << 20
"""Maximum size in bytes of a text file that a build has written."""


class BuildError(Exception):
    """The build failed; the message says at which step."""


class Build:
    """The build of one release."""

    def __init__(self, payload: dict[str, Any]) -> None:
        self.payload = payload
        self.name = payload["name"]
        self.root = Path("/srv") / self.name
        self.directory = self.root / "releases" / payload["release"]
        self.work = self.root / "build" / payload["release"]
        self.cache = self.root / "cache"
        self.unit = Unit(
            f"groundcrew-build-{self.name}.service",
            payload["user"],
            payload["limits"],
            payload["run"],
            tuple(payload["secrets"].values()),
        )
        self.python = str(payload["python"]["interpreter"])
        self.node: str | None = None
        try:
            account = pwd.getpwnam(payload["user"])
            self.reader = pwd.getpwnam(self.name).pw_gid
        except KeyError as error:
            raise BuildError(f"{error.args[0]}: this host needs deploy.py first") from None
        self.uid, self.gid = account.pw_uid, account.pw_gid

    def variables(self) -> dict[str, str]:
        """The environment of builds."""
        return variables(self.cache, self.payload["variables"])

    def steps(
        self,
        names: list[str],
        environment: Path,
        *,
        cache: bool,
        writes: Path | None = None,
    ) -> None:
        """Runs steps of groundcrew/remote/build_steps.py as the build user. They see the release
        and `environment` at their final paths, and may write to `environment` only in `writes`, if
        given."""
        binds = {str(self.work / "release"): str(self.directory)}
        shown: dict[str, str] = {}
        if writes:
            binds[str(writes)] = str(environment)
        else:
            shown[str(environment)] = str(environment)
        variables = self.variables()
        if cache:
            binds[str(self.cache)] = str(self.cache)
        else:
            variables["HOME"] = "/tmp"  # noqa: S108 - the unit's own
            del variables["UV_CACHE_DIR"]
        archive = self.payload["archive"]
        if archive:
            readable(archive)
            shown[archive] = "/srv/source.tar.gz"
        payload = {
            "name": self.name,
            "do": names,
            "release": str(self.directory),
            "environment_directory": str(environment),
            "variables": variables,
            "python": self.python,
            "archive": "/srv/source.tar.gz" if archive else None,
            "relocatable": self.payload["keys"]["source"] is not None,
            "node": self.node,
            "cache": str(self.cache),
            "shared": {
                relative: str(self.root / "shared" / relative)
                for relative in self.payload["shared"]
            },
            **{
                key: self.payload[key]
                for key in (
                    *("uv", "requirements", "resolved", "exclude_newer", "compile", "frontend"),
                    *("environment_hooks", "hooks", "hook_variables", "hook_timeout"),
                    *("directories", "app_dir", "secrets", "set_aside"),
                )
            },
        }
        program = self.work / "steps.py"
        if not program.exists():
            write(program, self.payload["steps"])
        shown[str(program)] = "/srv/build_steps.py"
        self.unit.steps(
            [sys.executable, "-IS", "/srv/build_steps.py"], payload, binds=binds, shown=shown
        )

    def find_interpreter(self) -> None:
        """Selects the release's Python: the host's, or one that uv downloads. Raises BuildError."""
        try:
            self.python, version = find_interpreter(
                self.payload["python"], self.payload["uv"], self.variables(), capture
            )
        except InterpreterError as error:
            raise BuildError(str(error)) from None
        self.payload["metadata"]["python"] = version

    def find_node(self) -> None:
        """Installs Node.js for the front end, unless it uses the distribution's. Raises
        BuildError."""
        front = self.payload["frontend"]
        if not front or not front["node"]:
            return
        variables = {**self.variables(), "UV_CACHE_DIR": "/nonexistent"}
        command = [self.payload["uv"], "pip", "install", "--python", self.python]
        try:
            node = install_node(
                front["node"],
                front["node_version"],
                lambda more: capture(command + more, variables),
            )
        except NodeError as error:
            raise BuildError(str(error)) from None
        self.node = str(node)

    def usable(self, part: Path) -> bool:
        """Whether a part exists and is intact; a damaged one is rebuilt."""
        try:
            return check(part)
        except DamagedError as error:
            print(f"--> {self.name}: {error}: it is built again", flush=True)
            return False

    def own(self, path: Path) -> Path:
        """Creates a working directory owned by the build user."""
        path.mkdir(mode=0o700)
        os.chown(path, self.uid, self.gid)
        return path

    def keep(self, source: Path, part: Path, folder: str) -> None:
        """Turns a build's result, which must contain the directory `folder`, into a part owned by
        root. It appears complete under its name. Raises BuildError."""
        partial = part.with_name(f".{part.name}.new")
        discard(partial)
        try:
            seal(str(source), str(partial), self.gid, self.gid, self.earlier(part))
            if folder not in {item.name for item in folders(partial)}:
                raise BuildError(f"{folder} is no directory when its steps have ended")
            mark(partial)
            replace(partial, part)
        except SealError as error:
            raise BuildError(str(error)) from None
        finally:
            discard(partial)

    def earlier(self, part: Path) -> list[str]:
        """The newest other parts of the same kind, which are likely to have most files in
        common."""
        parts = [item for item in part.parent.iterdir() if PART.fullmatch(item.name)]
        newest = sorted(parts, key=lambda item: item.lstat().st_mtime, reverse=True)
        return [str(item) for item in newest if item != part][:COMPARED]

    def make(self) -> None:
        """Builds the release; nothing of it remains if a step fails."""
        self.clear()
        self.find_interpreter()
        names = part_names(self.payload["keys"], str(self.payload["metadata"]["python"]))
        base, environment, code = (self.root / name for name in names)
        have = {path: self.usable(path) for path in dict.fromkeys((base, environment, code))}
        have[base] = have[base] or have[environment]
        self.work.mkdir(mode=0o711)
        try:
            results = [str(path) for path in have]
            packages = {**self.payload["apt"], "results": results}
            compiles = bool(self.payload["hooks"] or self.payload["frontend"])
            if have[environment] and (have[code] or not compiles):
                packages = {**packages, "packages": []}
            with build_packages(packages):
                self.receive(have)
                have[base] = have[base] or have[environment]
                self.require(have)
                self.make_parts(base, environment, code, have)
            self.assemble(base, environment, code)
        finally:
            end(self.unit.name)
            discard(self.work)
            if not self.payload["keep_cache"]:
                for item in self.cache.iterdir():
                    discard(item)

    def receive(self, have: dict[Path, bool]) -> None:
        """Makes parts of what another host has built."""
        received = self.payload["received"]
        if received:
            print(f"--> {self.name}: unpack what was received", flush=True)
            place, owner = self.work / "received", (self.uid, self.gid)
            for name, folder in unpack(self.unit, received, place, owner).items():
                part = self.root / name
                if have.get(part) is False:
                    self.keep(folder, part, CONTENT[part.parent.name][0])
                    have[part] = True

    def require(self, have: dict[Path, bool]) -> None:
        """Raises ReceivedError if parts are missing that this host must not build."""
        lacking = [path.name for path, there in have.items() if not there]
        if lacking and not self.payload["builds"]:
            raise ReceivedError(f"what has arrived lacks {', '.join(lacking)}; run again")

    def make_parts(self, base: Path, environment: Path, code: Path, have: dict[Path, bool]) -> None:
        """Builds the parts that do not exist yet."""
        if all(have.values()):
            return
        self.own(self.work / "release")
        source = ["unpack"]
        if not have[code]:
            self.find_node()
        front = ["front end"] if self.payload["frontend"] and not have[code] else []
        if not have[base]:
            target = self.own(self.work / "environment")
            first = source if self.payload["needs_source"] else []
            complete = ["complete"] if self.payload["environment_hooks"] else []
            if complete:
                first = source
            steps = [*first, "environment", *complete]
            self.steps(steps, base, cache=True, writes=target)
            source = [] if first else source
            self.keep(target, base, "venv")
        if environment != base and not have[environment]:
            target = self.own(self.work / "derived")
            lend(str(base / "venv"), str(target / "venv"), self.uid, self.gid)
            self.steps([*source, *front, "source"], environment, cache=True, writes=target)
            source, front = [], []
            self.keep(target, environment, "venv")
        if not have[code]:
            if front:
                self.steps([*source, *front], environment, cache=True)
                source = []
            steps = [*source, "shared", *(["hooks"] if self.payload["hooks"] else [])]
            steps += ["directories", *(["compile"] if self.payload["compile"] else [])]
            self.steps(steps, environment, cache=False)
            whole = self.own(self.work / "code")
            (self.work / "release" / "app").rename(whole / "app")
            self.keep(whole, code, "app")

    def assemble(self, base: Path, environment: Path, code: Path) -> None:
        """Creates the release's own directory, which appears complete."""
        partial = self.directory.with_name(f".{self.directory.name}.new")
        discard(partial)
        partial.mkdir(mode=0o750)
        try:
            lend(str(code / "app"), str(partial / "app"), 0, self.gid)
            (partial / "venv").symlink_to(environment / "venv")
            for name in ("requirements.txt", RESOLVED):
                copy_text(base / name, partial / name)
            write(partial / SBOM, self.parts_list(base, environment, code))
            metadata = {
                **self.payload["metadata"],
                "environments": sorted({base.name, environment.name}),
                "code": code.name,
            }
            before = self.directory / "hooks-done"
            if before.exists():
                write(partial / before.name, before.read_text(encoding="utf-8"))
            write(partial / "release.json", json.dumps(metadata, indent=2) + "\n")
            os.chown(partial, 0, self.reader)
            replace(partial, self.directory)
        finally:
            discard(partial)
        # Sync soon, but without waiting: apt may just have written a lot as well.
        quiet = subprocess.DEVNULL
        subprocess.Popen(["sync"], stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True)

    def parts_list(self, base: Path, environment: Path, code: Path) -> str:
        """The release's bill of materials. Its inputs were written by the build, so they are read
        as the build user, who cannot follow a link to anyone's secrets. Raises BuildError."""
        lock = self.payload["frontend_lock"]
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            status = 1
            try:
                os.close(reader)
                os.setgroups([])
                os.setgid(self.gid)
                os.setuid(self.uid)
                pins = [
                    (base / name).read_text(encoding="utf-8")
                    for name in ("requirements.txt", RESOLVED)
                    if (base / name).is_file()
                ]
                text = sbom(
                    {"name": self.name, **self.payload["metadata"]},
                    environment / "venv",
                    pinned_hashes("\n".join(pins)),
                    code / "app" / lock if lock is not None else None,
                )
                with os.fdopen(writer, "w", encoding="utf-8") as file:
                    file.write(text)
                status = 0
            except BaseException as error:
                print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
            finally:
                os._exit(status)
        os.close(writer)
        with os.fdopen(reader, "rb") as file:
            content = file.read(TEXT_LIMIT)
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0:
            raise BuildError("list what it is made of")
        return content.decode(errors="replace")

    def clear(self) -> None:
        """Stops interrupted builds and removes what they have left."""
        end(self.unit.name)
        for folder in (self.root / "build", self.root / "releases"):
            for item in folder.iterdir():
                leftover = item.name.startswith(".") or folder.name == "build"
                if leftover or not (item / "release.json").exists():
                    print(f"--> remove {shown(item.name)}, which was never finished", flush=True)
                    discard(item)
        for folder in (self.root / "environments", self.root / "code"):
            for item in folder.iterdir():
                if not PART.fullmatch(item.name):
                    discard(item)


def replace(partial: Path, path: Path) -> None:
    """Moves a finished directory into place, and removes the one that was there."""
    aside = path.with_name(f".{path.name}.old")
    discard(aside)
    if path.exists():
        path.rename(aside)
    partial.rename(path)
    discard(aside)


def shown(name: str) -> str:
    """A foreign file name, made safe for a terminal."""
    return re.sub(r"[^\w.-]", "?", name)[:80]


def copy_text(source: Path, target: Path) -> None:
    """Copies a regular file of a part into a release, if it exists; links are not followed."""
    try:
        reader = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return
    try:
        state = os.fstat(reader)
        if not stat.S_ISREG(state.st_mode) or state.st_size > TEXT_LIMIT:
            return
        writer = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
        try:
            copy_content(reader, writer, state.st_size)
        finally:
            os.close(writer)
    finally:
        os.close(reader)


def write(path: Path, text: str) -> None:
    """Creates a file in a directory owned by root."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "w") as file:
        file.write(text)


def readable(path: str) -> None:
    """Makes an uploaded file readable for the build user, whatever the umask of the login that
    uploaded it. The directory around it is private."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        os.fchmod(descriptor, 0o644)
    finally:
        os.close(descriptor)


def build(payload: dict[str, Any]) -> int:
    """Builds one release; returns the exit status."""
    name = payload["name"]
    try:
        with step(payload["run"]):
            Build(payload).make()
    except RunIsGoneError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    except StepsFailedError:
        # The steps have printed the reason.
        subprocess.run(["sh", "-c", payload["on_failure"]], check=False)
        return 1
    except ReceivedError as error:
        subprocess.run(["sh", "-c", payload["on_failure"]], check=False)
        print(f"{name}: refused: {error}", file=sys.stderr)
        return 1
    except (BuildError, PackagesError, OSError) as error:
        subprocess.run(["sh", "-c", payload["on_failure"]], check=False)
        where = "build failed" if isinstance(error, OSError) else "build failed at"
        print(f"{name}: {where}: {error}", file=sys.stderr)
        return 1
    finally:
        received = payload["received"] or {}
        for archive in (payload["archive"], received.get("archive")):
            if archive:
                discard(os.path.dirname(archive))
    return 0


def main() -> int:
    """Builds what the payload on stdin describes."""
    return several(json.load(sys.stdin), build, os.cpu_count() or 1)


if __name__ == "__main__":
    sys.exit(main())
