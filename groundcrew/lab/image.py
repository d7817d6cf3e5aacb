"""Builds the base image of containers, once per recipe."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from groundcrew.lab import debian
from groundcrew.lab.checkout import state_directory
from groundcrew.lab.engine import SYSTEM_PATH, docker
from groundcrew.lab.process import LabError, say, tail
from groundcrew.lab.recipe import IMAGE_SETTINGS, Recipe

CERTIFICATES = Path("/usr/local/share/ca-certificates")
OTHER = "GROUNDCREW_LAB_IMAGE"
REGISTRY = "https://registry-1.docker.io/v2/"
REGISTRY_SECONDS = 4
BUILD_SECONDS = 1200


def machine_certificates(directory: Path = CERTIFICATES) -> dict[str, str]:
    """Return the CA certificates that this machine's administrator has added: flat file name ->
    text."""
    return {
        str(path.relative_to(directory)).replace("/", "-"): path.read_text()
        for path in sorted(directory.rglob("*.crt"))
        if path.is_file()
    }


def exists(tag: str) -> bool:
    """Tell whether the engine has this image."""
    return docker("image", "inspect", tag, check=False).returncode == 0


def ensure(suite: str) -> str:
    """Return the tag of the suite's image. Build it first if the recipe is new.

    The environment variable GROUNDCREW_LAB_IMAGE names another image that the engine has.
    """
    if other := os.environ.get(OTHER):
        return other
    recipe = Recipe(suite, machine_certificates())
    if not exists(recipe.tag):
        _build(recipe)
    return recipe.tag


def _build(recipe: Recipe) -> None:
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="groundcrew-image-") as name:
        directory = Path(name)
        # When mmdebstrap runs without root, its hooks read the directory as another user.
        directory.chmod(0o755)
        _write_context(recipe, directory)
        if _has_debian_image(f"debian:{recipe.suite}-slim"):
            say(f"building the {recipe.suite} image from debian:{recipe.suite}-slim")
            docker("build", "--network=host", f"--tag={recipe.tag}", name, timeout=BUILD_SECONDS)
        else:
            say(f"building the {recipe.suite} image from Debian's mirror (no registry has it)")
            _bootstrap(recipe, directory)
    say(f"image {recipe.tag} built in {time.monotonic() - started:.0f} s")


def _write_context(recipe: Recipe, directory: Path) -> None:
    certificates = directory / "certificates"
    certificates.mkdir()
    for name, text in recipe.certificates.items():
        (certificates / name).write_text(text)
    (directory / "finish.sh").write_text(recipe.finish_script)
    (directory / "Dockerfile").write_text(recipe.dockerfile)


def _has_debian_image(name: str) -> bool:
    """Tell whether Debian's own image exists locally or can be pulled from a reachable registry."""
    if exists(name):
        return True
    if not _registry_answers():
        return False
    say(f"pulling {name}")
    try:
        return docker("pull", "--quiet", name, timeout=180, check=False).returncode == 0
    except LabError:
        return False


def _registry_answers() -> bool:
    """Ask the registry with a short timeout: without one, `docker pull` would retry for minutes."""
    try:
        with urllib.request.urlopen(
            REGISTRY, timeout=REGISTRY_SECONDS, context=ssl.create_default_context()
        ) as response:
            headers = response.headers
    except urllib.error.HTTPError as error:
        headers = error.headers
    except (OSError, ValueError):
        return False
    # Some proxies answer for any address; only a registry sends this header.
    return "Docker-Distribution-Api-Version" in headers


def _bootstrap(recipe: Recipe, directory: Path) -> None:
    """Pipe mmdebstrap into `docker import`. The tag is set only if both succeed."""
    if shutil.which("mmdebstrap") is None:
        debian.install(["mmdebstrap", "debian-archive-keyring"], "builds the image of a lab host")
    log = state_directory() / f"image-{recipe.suite}.log"
    changes = [part for setting in IMAGE_SETTINGS for part in ("--change", setting)]
    with log.open("w") as output:
        bootstrap = subprocess.Popen(
            recipe.mmdebstrap(str(directory)),
            stdout=subprocess.PIPE,
            stderr=output,
            # On failure, mmdebstrap signals its whole process group.
            start_new_session=True,
            env=os.environ | {"PATH": SYSTEM_PATH},
        )
        load = subprocess.run(
            ["docker", "import", *changes, "-"],
            stdin=bootstrap.stdout,
            capture_output=True,
            text=True,
            timeout=BUILD_SECONDS,
            check=False,
        )
        if bootstrap.stdout:
            bootstrap.stdout.close()
        bootstrap_code = bootstrap.wait()
    image = load.stdout.strip()
    if load.returncode != 0:
        # Reported first: without a reader, mmdebstrap fails as well.
        raise LabError(f"`docker import` failed:\n{tail(load.stderr)}")
    if bootstrap_code != 0:
        docker("rmi", image, check=False)
        raise LabError(f"mmdebstrap failed; the end of {log}:\n{tail(log.read_text())}")
    docker("tag", image, recipe.tag)
