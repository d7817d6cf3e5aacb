"""Makes an image of the live release of an application. Runs on the host as root.

The files of the release are data: they come from directories that only root can change, are packed
without following links or reading what is not root's, and nothing of them is executed as root. The
image has the same paths, user and interpreter as the host, and no value of a variable: the swarm
brings those.

The request is that of `roles/images.py`. Standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import grp
import hashlib
import json
import os
import pwd
import re
import shutil
import stat
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from groundcrew.remote.interpreter import INTERPRETERS
from groundcrew.remote.safe_paths import ITSELF, opened, readable
from groundcrew.roles.swarm.on_host_base import ImageError, accounts_of, base_of, docker, made_base
from groundcrew.roles.swarm.on_host_engine import EngineError, ask, filters

if TYPE_CHECKING:
    # Types of the reports, shared with what reads them; never sent to a host.
    from groundcrew.roles.swarm.report import Accounts, Image, Images, Saved

Data = dict[str, Any]
RELEASE = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{12}")
SRV = "/srv"
WORK = "/var/lib/groundcrew"
PROGRAMS = "/usr/local/lib/groundcrew"


def state(request: Data) -> Images:
    """The live release, and its image; null for what is not there."""
    release = live(request["name"])
    return {
        "release": release,
        "image": image_of(request, release) if release else None,
        "balancer": base_of(request["balancer"]),
        "user": ids(request["name"]),
    }


def ids(name: str) -> list[int]:
    """User and group of the application."""
    user = pwd.getpwnam(name)
    return [user.pw_uid, user.pw_gid]


def live(name: str) -> str | None:
    """The live release. The link is in a directory that only root can change."""
    try:
        release = os.path.basename(os.readlink(f"{SRV}/{name}/current"))
    except OSError:
        return None
    return release if RELEASE.fullmatch(release) else None


def image_of(request: Data, release: str) -> Image | None:
    """The image of a release that was made in this way: tag and ID."""
    labels = [
        f"groundcrew.app={request['name']}",
        f"groundcrew.release={release}",
        f"groundcrew.recipe={request['recipe']}",
    ]
    for item in ask("GET", f"/images/json?{filters(label=labels)}"):
        tags = [tag for tag in item["RepoTags"] or () if tag.startswith(f"{request['name']}:")]
        if tags:
            return {"tag": tags[0], "id": item["Id"]}
    return None


def make(request: Data) -> Images:
    """Makes the image of the live release unless it is there. Returns what `state` does. Raises
    ImageError."""
    release = live(request["name"])
    if release is None or not release.endswith(f"-{request['digest']}"):
        raise ImageError(
            f"the live release is {release}, which is not what the operator's machine has now: "
            f"groundcrew release {request['name']}"
        )
    known = image_of(request, release)
    if known is None:
        base = made_base(request["base"])
        with tempfile.TemporaryDirectory(prefix="image-", dir=WORK) as folder:
            known = built(request, release, base, Path(folder))
    return {
        "release": release,
        "image": known,
        "balancer": made_base(request["balancer"]),
        "user": ids(request["name"]),
    }


def built(request: Data, release: str, base: Image, folder: Path) -> Image:
    """Builds the image in `folder`, which only root can enter."""
    name = request["name"]
    digest = pack(request, release, accounts_of(base["tag"]), folder / "release.tar")
    tag = f"{name}:{release}-{digest[:12]}"
    (folder / "Dockerfile").write_text(dockerfile(request, release, base["tag"]))
    docker("build", "--quiet", "--tag", tag, str(folder))
    try:
        trial(request, release, tag)
    except ImageError:
        docker("image", "rm", tag)
        raise
    return {"tag": tag, "id": ask("GET", f"/images/{tag}/json")["Id"]}


def dockerfile(request: Data, release: str, base: str) -> str:
    """What the image is made of. JSON makes each value one word."""
    lines = [
        f"FROM {base}",
        "ADD release.tar /",
        f"USER {request['name']}",
        f"WORKDIR {request['directory']}",
        f"LABEL groundcrew.app={request['name']} groundcrew.release={release} "
        f"groundcrew.recipe={request['recipe']}",
        f"ENTRYPOINT {json.dumps(['/usr/bin/python3', '-ISs', f'{PROGRAMS}/enter.py'])}",
        f"CMD {json.dumps(request['command'])}",
    ]
    return "\n".join(lines) + "\n"


def trial(request: Data, release: str, tag: str) -> None:
    """The release's interpreter starts in the image, as the application's user and confined."""
    python = f"/srv/{request['name']}/releases/{release}/venv/bin/python"
    options = ("--network", "none", "--read-only", "--cap-drop", "ALL", "--entrypoint", python)
    try:
        docker("run", "--rm", *options, tag, "-c", "")
    except ImageError as error:
        raise ImageError(
            f"the release's Python does not start on this base ({error}): it must be the Debian "
            "of the host that has built the release (swarm.base)"
        ) from None


def pack(request: Data, release: str, accounts: Accounts, target: Path) -> str:
    """Packs a release into a file; returns its digest, which is the same for the same release."""
    name = request["name"]
    folder = f"{SRV}/{name}/releases/{release}"
    left_out = {f"{folder}/{path}" for path in request["left_out"]}
    with tarfile.open(target, "w", format=tarfile.GNU_FORMAT) as archive:
        for part in ("app", "venv", "sbom.cdx.json"):
            add(archive, f"{folder}/{part}", left_out)
        link(archive, f"{SRV}/{name}/current", f"releases/{release}")
        environment = os.path.realpath(f"{folder}/venv")
        if not environment.startswith(f"{SRV}/{name}/environments/"):
            raise ImageError(f"{folder}/venv leads to {environment}: release the application again")
        add(archive, environment, set())
        for path in interpreters(environment):
            add(archive, path, set())
        user = pwd.getpwnam(name)
        for path in request["kept"]:
            own(archive, f"{SRV}/{name}/shared/{path}", user.pw_uid, user.pw_gid)
        own(archive, user.pw_dir, user.pw_uid, user.pw_gid)
        for path, text in (
            *sorted(request["files"].items()),
            *with_accounts(name, accounts),
        ):
            write(archive, path, text)
    return file_digest(target)


def interpreters(environment: str) -> list[str]:
    """The directory of the interpreter that an environment leads to, and root's links to it; empty
    if the base has it. Raises ImageError.

    The application's build has made the environment. What it names only selects one of the
    interpreters that root has fetched: nothing else of the host gets into an image.
    """
    python = os.path.realpath(f"{environment}/bin/python")
    if python.startswith("/usr/"):
        return []
    fetched = os.path.realpath(INTERPRETERS)
    if not python.startswith(f"{fetched}/"):
        raise ImageError(
            f"the release's Python is {python}, neither below /usr nor below {INTERPRETERS}: name "
            "a version in `python` of the manifest"
        )
    chosen = python[len(fetched) + 1 :].split("/", 1)[0]
    # Such as cpython-3.13-… for the newest cpython-3.13.X-….
    return [
        f"{INTERPRETERS}/{name}"
        for name in sorted(os.listdir(fetched))
        if os.path.realpath(f"{fetched}/{name}") == f"{fetched}/{chosen}"
    ]


def add(archive: tarfile.TarFile, path: str, left_out: set[str]) -> None:
    """Adds a file, a link as a link, or a directory with all that is in it, if it exists. Raises
    ImageError for what is not root's."""
    with opened(path) as place:
        if place.state is not None:
            add_entry(archive, place.name, place.folder, path, left_out)


def add_entry(
    archive: tarfile.TarFile, name: str, folder: int, path: str, left_out: set[str]
) -> None:
    """Adds the entry `name` of an open directory. All is read from what was opened here: whoever
    replaces a directory on the way meanwhile redirects nothing."""
    if path in left_out:
        return
    item = os.open(name, ITSELF, dir_fd=folder)
    try:
        status = os.fstat(item)
        if status.st_uid not in (0, os.geteuid()):
            raise ImageError(f"{path} belongs to user {status.st_uid}, not to root")
        entry = tarfile.TarInfo(path.lstrip("/"))
        # No set-user-ID, and nothing that others than its owner may write.
        entry.mode = status.st_mode & 0o755
        entry.uid, entry.gid, entry.mtime = status.st_uid, status.st_gid, int(status.st_mtime)
        if stat.S_ISREG(status.st_mode):
            # Also a hard link: which one came first is no property of the release.
            entry.size = status.st_size
            with os.fdopen(readable(item), "rb") as file:
                archive.addfile(entry, file)
        elif stat.S_ISLNK(status.st_mode):
            entry.type, entry.linkname = tarfile.SYMTYPE, os.readlink("", dir_fd=item)
            archive.addfile(entry)
        elif stat.S_ISDIR(status.st_mode):
            entry.type = tarfile.DIRTYPE
            archive.addfile(entry)
            inside = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=item)
            try:
                for child in sorted(os.listdir(inside)):
                    add_entry(archive, child, inside, f"{path}/{child}", left_out)
            finally:
                os.close(inside)
        else:
            raise ImageError(f"{path} is neither a file, a directory nor a link")
    finally:
        os.close(item)


def own(archive: tarfile.TarFile, path: str, uid: int, gid: int) -> None:
    """Adds an empty directory of the application's user."""
    entry = tarfile.TarInfo(path.lstrip("/"))
    entry.type, entry.mode, entry.uid, entry.gid = tarfile.DIRTYPE, 0o750, uid, gid
    archive.addfile(entry)


def link(archive: tarfile.TarFile, path: str, target: str) -> None:
    """Adds a link."""
    entry = tarfile.TarInfo(path.lstrip("/"))
    entry.type, entry.linkname, entry.mode = tarfile.SYMTYPE, target, 0o777
    archive.addfile(entry)


def write(archive: tarfile.TarFile, path: str, text: str) -> None:
    """Adds a file that everybody may read."""
    data = text.encode()
    entry = tarfile.TarInfo(path.lstrip("/"))
    entry.mode, entry.size = 0o644, len(data)
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        archive.addfile(entry, file)


def with_accounts(name: str, accounts: Accounts) -> Iterator[tuple[str, str]]:
    """/etc/passwd and /etc/group of the base, with the application's user, which may read finished
    builds as on the host."""
    user, build = pwd.getpwnam(name), grp.getgrnam(f"{name}-build")
    own_group = grp.getgrgid(user.pw_gid)
    line = f"{name}:x:{user.pw_uid}:{user.pw_gid}::{user.pw_dir}:/usr/sbin/nologin\n"
    yield "/etc/passwd", merged(accounts["passwd"], line)
    yield (
        "/etc/group",
        merged(
            accounts["group"],
            f"{own_group.gr_name}:x:{own_group.gr_gid}:\n",
            f"{build.gr_name}:x:{build.gr_gid}:{name}\n",
        ),
    )


def merged(text: str, *lines: str) -> str:
    """Lines of accounts, of which none may have a name or number that is taken."""
    taken = [item.split(":") for item in text.splitlines() if item.count(":") >= 2]
    for line in lines:
        fields = line.split(":")
        for other in taken:
            if other[0] == fields[0] or other[2] == fields[2]:
                raise ImageError(f"{other[0]} ({other[2]}) of the base is an account of its own")
    return text + "".join(lines)


def prune(request: Data) -> list[str]:
    """Removes all but the newest images of an application and those in use; returns their tags."""
    chosen = filters(label=[f"groundcrew.app={request['name']}"])
    every = ask("GET", f"/images/json?{chosen}")
    # An image from a registry has no tag. Releases sort by time.
    every.sort(
        key=lambda item: (
            item["Labels"].get("groundcrew.release", ""),
            max(item["RepoTags"] or [""]),
        ),
        reverse=True,
    )
    containers = ask("GET", "/containers/json?all=true")
    used = {item["ImageID"] for item in containers}
    removed = []
    for item in every[request["keep"] :]:
        if item["Id"] in used or item["Id"] == request.get("image"):
            continue
        for tag in item["RepoTags"] or [item["Id"]]:
            try:
                ask("DELETE", f"/images/{tag}")
            except EngineError:
                # Something began to use it.
                continue
            removed.append(tag)
    return removed


def save(request: Data) -> Saved:
    """Writes an image into the directory of the operator's login, packed; returns its digest."""
    path = Path(request["path"])
    owner = os.lstat(path.parent)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
        with (
            subprocess.Popen(["docker", "save", request["tag"]], stdout=subprocess.PIPE) as saving,
            subprocess.Popen(
                ["gzip", "-1", "--no-name"], stdin=saving.stdout, stdout=file
            ) as packing,
        ):
            if saving.stdout:
                saving.stdout.close()
        if saving.returncode or packing.returncode:
            raise ImageError(f"{request['tag']} cannot be saved")
    return {"digest": file_digest(path), "size": path.stat().st_size}


def load(request: Data) -> None:
    """Loads an image that the operator has uploaded, if its digest is the right one."""
    path = Path(request["path"])
    try:
        with tempfile.TemporaryDirectory(prefix="image-", dir=WORK) as folder:
            mine = Path(folder) / "image"
            # The copy is root's, so that what was checked is what is loaded.
            source = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
            with open(source, "rb") as original, mine.open("wb") as copy:
                shutil.copyfileobj(original, copy, 1 << 20)
            if file_digest(mine) != request["digest"]:
                raise ImageError(f"{request['tag']} has changed on its way")
            docker("load", "--quiet", "--input", str(mine))
        if ask("GET", f"/images/{request['tag']}/json")["Id"] != request["id"]:
            raise ImageError(f"{request['tag']} is another image here than on the first manager")
    finally:
        shutil.rmtree(path.parent, ignore_errors=True)


def file_digest(path: Path) -> str:
    """SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def present(request: Data) -> bool:
    """Whether the engine has an image, with this ID."""
    try:
        return bool(ask("GET", f"/images/{request['tag']}/json")["Id"] == request["id"])
    except EngineError:
        return False


def push(request: Data) -> None:
    """Pushes an image to the registry, with root's credentials for it."""
    target = f"{request['registry']}/{request['tag']}"
    docker("tag", request["tag"], target)
    docker("push", "--quiet", target)
