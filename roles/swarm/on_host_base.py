"""The image that images are based on: Debian with the packages that an application needs. Runs on
the host as root. Standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from groundcrew.roles.swarm.on_host_engine import EngineError, ask

if TYPE_CHECKING:
    # Types of the reports, shared with what reads them; never sent to a host.
    from groundcrew.roles.swarm.report import Accounts, Image

Data = dict[str, Any]
LIMIT = 1800


class ImageError(Exception):
    """An image cannot be made; the message says why."""


def docker(*words: str) -> str:
    """The output of a command of Docker's. Raises ImageError with its last lines."""
    try:
        done = subprocess.run(
            ["docker", *words],
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=LIMIT,
            env={**os.environ, "LC_ALL": "C", "DOCKER_BUILDKIT": "0", "DOCKER_CLI_HINTS": "false"},
        )
    except FileNotFoundError:
        raise ImageError(
            "there is no command `docker`: Debian 13 has it in a package of its own (add "
            "docker-cli to swarm.packages)"
        ) from None
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise ImageError(f"docker {words[0]}: {' '.join(lines[-5:])}")
    return done.stdout.strip()


def codename() -> str:
    """The release of Debian of this host."""
    text = Path("/etc/os-release").read_text(encoding="utf-8")
    values = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    return values["VERSION_CODENAME"].strip('"')


def named(request: Data) -> tuple[str, str, list[str], str]:
    """The tag of a base, the image that it is made of, its packages, and the release of Debian."""
    suite = codename()
    image, packages = request["image"] or f"debian:{suite}-slim", sorted(request["packages"])
    key = hashlib.sha256(json.dumps([image, packages, suite]).encode()).hexdigest()[:12]
    return f"groundcrew-base:{suite}-{key}", image, packages, suite


def base_of(request: Data) -> Image | None:
    """Tag and ID of a base; None if it is not there."""
    tag = named(request)[0]
    try:
        return {"tag": tag, "id": ask("GET", f"/images/{tag}/json")["Id"]}
    except EngineError as error:
        if error.status != 404:
            raise
        return None


def made_base(request: Data) -> Image:
    """The base with the packages of `request`, made unless it is there: its tag and ID. Raises
    ImageError."""
    tag, image, packages, suite = named(request)
    if base_of(request) is None:
        if image == "packages":
            of_packages(tag, suite, packages)
        else:
            of_image(tag, image, packages)
    return {"tag": tag, "id": ask("GET", f"/images/{tag}/json")["Id"]}


def accounts_of(tag: str) -> Accounts:
    """The users and groups of a base. Raises ImageError."""
    told = docker(
        "run", "--rm", "--network", "none", "--read-only", "--cap-drop", "ALL",
        "--user", "65534:65534", "--entrypoint", "/bin/sh", tag,
        "-c", "cat /etc/passwd; echo =; cat /etc/group",
    )  # fmt: skip
    passwd, _, group = told.partition("\n=\n")
    return {"passwd": f"{passwd}\n", "group": f"{group}\n"}


def of_image(tag: str, image: str, packages: list[str]) -> None:
    """An image from a registry, with packages. An image with instructions for those who build on it
    is refused: root would carry them out."""
    docker("pull", "--quiet", image)
    if ask("GET", f"/images/{image}/json")["Config"].get("OnBuild"):
        raise ImageError(f"{image} has ONBUILD instructions: choose another one (swarm.base)")
    install = (
        "apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -qy install "
        f"--no-install-recommends {' '.join(packages)} && rm -rf /var/lib/apt/lists/*"
    )
    with tempfile.TemporaryDirectory(prefix="base-") as folder:
        Path(folder, "Dockerfile").write_text(f"FROM {image}\nRUN {install}\n")
        docker("build", "--quiet", "--tag", tag, folder)


def of_packages(tag: str, suite: str, packages: list[str]) -> None:
    """An image made of Debian's packages alone."""
    with tempfile.TemporaryDirectory(prefix="base-", dir="/var/lib/groundcrew") as folder:
        path = f"{folder}/base.tar"
        done = subprocess.run(
            [
                "mmdebstrap", "--quiet", "--variant=minbase", "--mode=root",
                f"--include={','.join(packages)}",
                "--dpkgopt=path-exclude=/usr/share/doc/*",
                "--dpkgopt=path-exclude=/usr/share/man/*",
                "--dpkgopt=path-exclude=/usr/share/locale/*",
                suite, path,
            ],
            check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            errors="replace", timeout=LIMIT,
        )  # fmt: skip
        if done.returncode:
            lines = (done.stderr or done.stdout).strip().splitlines()
            raise ImageError(f"mmdebstrap: {' '.join(lines[-5:])}")
        docker("import", path, tag)
