"""Builds the image of a suite's virtual machines, once per recipe."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from groundcrew.lab import image as containers
from groundcrew.lab.engine import SYSTEM_PATH
from groundcrew.lab.process import LabError, run, say, tail
from groundcrew.lab.recipe import Recipe
from groundcrew.lab.vm.files import IMAGES
from groundcrew.lab.vm.qemu import Image
from groundcrew.lab.vm.recipe import MachineRecipe

BUILD_SECONDS = 1800


def ensure(suite: str) -> Image:
    """Return the suite's image. Build it first if the recipe is new."""
    recipe = MachineRecipe(Recipe(suite, containers.machine_certificates()))
    image = Image(IMAGES / recipe.name)
    if not image.directory.is_dir():
        _make(recipe, image)
    return image


def _make(recipe: MachineRecipe, image: Image) -> None:
    if os.geteuid() != 0:
        raise LabError("the image of a virtual machine is made as root: run this as root once")
    started = time.monotonic()
    say(f"making the {recipe.base.suite} image of virtual machines from Debian's mirror")
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="new-", dir=IMAGES) as name:
        work = Path(name)
        work.chmod(0o755)
        tree = work / "tree"
        try:
            _bootstrap(recipe, work, tree)
            new = Image(work / "image")
            new.directory.mkdir()
            shutil.copy(_newest(tree / "boot", "vmlinuz-*"), new.kernel)
            shutil.copy(_newest(tree / "boot", "initrd.img-*"), new.initrd)
            env = os.environ | {"PATH": SYSTEM_PATH}
            run(recipe.mke2fs(str(tree), str(new.disk)), timeout=600, env=env)
        finally:
            # If something is still mounted there, it must not be emptied.
            run(["rm", "-rf", "--one-file-system", str(tree)], timeout=300, check=False)
        new.directory.rename(image.directory)
    say(f"image {recipe.name} made in {time.monotonic() - started:.0f} s")


def _bootstrap(recipe: MachineRecipe, work: Path, tree: Path) -> None:
    certificates = work / "certificates"
    certificates.mkdir()
    for name, text in recipe.base.certificates.items():
        (certificates / name).write_text(text)
    (work / "finish.sh").write_text(recipe.finish_script)
    log = IMAGES / f"{recipe.base.suite}.log"
    with log.open("w") as output:
        done = subprocess.run(
            recipe.mmdebstrap(str(work), str(tree)),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            # On failure, mmdebstrap signals its whole process group.
            start_new_session=True,
            env=os.environ | {"PATH": SYSTEM_PATH},
            timeout=BUILD_SECONDS,
            check=False,
        )
    if done.returncode != 0:
        raise LabError(f"mmdebstrap failed; the end of {log}:\n{tail(log.read_text())}")
    # The build used this machine's resolv.conf.
    resolver = tree / "etc" / "resolv.conf"
    resolver.unlink(missing_ok=True)
    resolver.symlink_to("../run/systemd/resolve/stub-resolv.conf")


def _newest(directory: Path, pattern: str) -> Path:
    by_age = sorted(directory.glob(pattern), key=lambda path: path.stat().st_mtime)
    if not by_age:
        raise LabError(f"the new image has no /boot/{pattern}")
    return by_age[-1]
