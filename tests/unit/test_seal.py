"""What a build has left becomes root's without anything being followed, shared or trusted."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from groundcrew.remote.parts import DamagedError, check, mark, same_files
from groundcrew.remote.seal import SealError, fingerprint, lend, seal

BUILDER = 4321
GROUP = 4322


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A tree as a build leaves it."""
    tree = tmp_path / "built"
    (tree / "app/pkg").mkdir(parents=True)
    (tree / "app/run.sh").write_text("#!/bin/sh\n")
    (tree / "app/run.sh").chmod(0o6777)
    (tree / "app/pkg/code.py").write_text("x = 1\n")
    (tree / "app/link").symlink_to("/etc/shadow")
    own(tree)
    return tree


def own(tree: Path) -> None:
    for folder, folders, names in os.walk(tree):
        for name in ["", *folders, *names]:
            os.chown(Path(folder) / name, BUILDER, BUILDER, follow_symlinks=False)


def test_everything_becomes_roots_and_nothing_is_followed(built: Path, tmp_path: Path) -> None:
    seal(str(built), str(tmp_path / "sealed"), GROUP)
    app = tmp_path / "sealed/app"
    for path, mode in ((app, 0o750), (app / "run.sh", 0o750), (app / "pkg/code.py", 0o640)):
        state = path.lstat()
        assert (state.st_uid, state.st_gid, stat.S_IMODE(state.st_mode)) == (0, GROUP, mode)
    assert (app / "link").is_symlink()
    assert (app / "link").readlink() == Path("/etc/shadow")
    before, after = (tree / "app/pkg/code.py" for tree in (built, tmp_path / "sealed"))
    assert before.stat().st_ino != after.stat().st_ino, "shared with what the build can write"
    assert before.stat().st_mtime_ns == after.stat().st_mtime_ns


def test_a_file_of_roots_was_not_made_by_a_build(built: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("root's")
    secret.chmod(0o600)
    os.link(secret, built / "app/innocent.css")
    for sealed in (None, GROUP):
        with pytest.raises(SealError, match=r"innocent\.css is root's"):
            seal(str(built), str(tmp_path / f"sealed{sealed}"), GROUP, sealed)


@pytest.mark.parametrize("kind", ["fifo", "socket"])
def test_only_files_directories_and_links_are_taken(built: Path, tmp_path: Path, kind: str) -> None:
    if kind == "fifo":
        os.mkfifo(built / "app/pipe")
    else:
        os.mknod(built / "app/pipe", stat.S_IFSOCK | 0o600)
    with pytest.raises(SealError, match="app/pipe is neither a file, a directory nor a link"):
        seal(str(built), str(tmp_path / "sealed"), GROUP)


def test_directories_below_one_another_have_an_end(tmp_path: Path) -> None:
    built = tmp_path / "built"
    built.mkdir()
    here = os.open(built, os.O_RDONLY)
    for _ in range(300):
        os.mkdir("d", dir_fd=here)
        child = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = child
    os.close(here)
    with pytest.raises(SealError, match="more than 200 directories"):
        seal(str(built), str(tmp_path / "sealed"), GROUP)


def test_a_directory_that_is_a_link_is_not_entered(built: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc")
    with pytest.raises(OSError, match="link"):
        seal(str(tmp_path / "link"), str(tmp_path / "sealed"), GROUP)
    assert built.exists()


def test_what_is_lent_can_be_replaced_but_not_written(built: Path, tmp_path: Path) -> None:
    """An environment with the source installed has the files of the one that it was made from."""
    seal(str(built), str(tmp_path / "base"), GROUP)
    mark(tmp_path / "base")
    lent = tmp_path / "lent"
    lend(str(tmp_path / "base/app"), str(lent), BUILDER, GROUP)
    script = (
        "echo pwned > pkg/code.py; chmod 666 pkg/code.py; rm -f run.sh; echo mine > run.sh; "
        "echo 'y = 2' > more.py; cat pkg/code.py"
    )
    done = subprocess.run(
        ["sh", "-c", script],
        cwd=lent,
        user=BUILDER,
        group=GROUP,
        extra_groups=[],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "x = 1\n"
    assert check(tmp_path / "base"), "the base was changed"
    seal(str(lent), str(tmp_path / "derived"), GROUP, GROUP)
    base, derived = tmp_path / "base/app", tmp_path / "derived"
    assert (derived / "pkg/code.py").stat().st_ino == (base / "pkg/code.py").stat().st_ino
    assert (derived / "run.sh").read_text() == "mine\n"
    assert (derived / "more.py").stat().st_uid == 0
    assert (base / "run.sh").read_text() == "#!/bin/sh\n"


def test_a_damaged_part_is_told_from_a_whole_one(built: Path, tmp_path: Path) -> None:
    part = tmp_path / "part"
    assert not check(part)
    seal(str(built), str(part), GROUP)
    mark(part)
    assert check(part)
    (part / "app/pkg/code.py").write_text("")
    with pytest.raises(DamagedError, match="part is damaged"):
        check(part)
    (part / "part.json").write_text("{")
    with pytest.raises(DamagedError, match="part is damaged"):
        check(part)


def test_a_release_that_lost_a_file_is_not_its_code(built: Path, tmp_path: Path) -> None:
    lend(str(built / "app"), str(tmp_path / "release"), 0, GROUP)
    assert same_files(built / "app", tmp_path / "release")
    (tmp_path / "release/pkg/code.py").unlink()
    assert not same_files(built / "app", tmp_path / "release")


def test_fingerprints_tell_links_modes_and_sizes_apart(built: Path) -> None:
    seen = {fingerprint(str(built))}
    (built / "app/pkg/code.py").chmod(0o600)
    seen.add(fingerprint(str(built)))
    (built / "app/link").unlink()
    (built / "app/link").symlink_to("/etc/passwd")
    seen.add(fingerprint(str(built)))
    assert len(seen) == 3


def test_what_an_earlier_tree_has_is_linked_and_not_copied(built: Path, tmp_path: Path) -> None:
    (built / "app/data.bin").write_bytes(b"x" * 3_000_000)
    (built / "app/other.bin").write_bytes(b"one")
    for name, mode in (("timed", "timestamp"), ("hashed", "unchecked-hash")):
        file = built / f"app/pkg/{name}.py"
        file.write_text("x = 1\n")
        command = [sys.executable, "-m", "compileall", "-q", "--invalidation-mode", mode, str(file)]
        subprocess.run(command, check=True)
    own(built)
    earlier, later = tmp_path / "earlier", tmp_path / "later"
    seal(str(built), str(earlier), GROUP)
    for name in ("app/data.bin", "app/pkg/code.py", "app/pkg/timed.py", "app/pkg/hashed.py"):
        os.utime(built / name, (5, 5))
    (built / "app/other.bin").write_bytes(b"two")
    own(built)
    seal(str(built), str(later), GROUP, earlier=[str(tmp_path / "gone"), str(earlier)])

    def shared(name: str) -> bool:
        return (earlier / name).stat().st_ino == (later / name).stat().st_ino

    assert shared("app/data.bin")
    assert shared("app/run.sh")
    assert shared("app/pkg/code.py")
    assert shared("app/pkg/hashed.py")
    # Another content, and a time that byte code has noted.
    assert not shared("app/other.bin")
    assert not shared("app/pkg/timed.py")
    assert (later / "app/other.bin").read_bytes() == b"two"
    assert (later / "app/pkg/timed.py").stat().st_mtime == 5


def test_an_earlier_tree_leads_nowhere_else(built: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "code.py").write_text("x = 1\n")
    (outside / "code.py").chmod(0o640)
    os.chown(outside / "code.py", 0, GROUP)
    os.utime(outside / "code.py", ns=((built / "app/pkg/code.py").stat().st_mtime_ns,) * 2)
    earlier = tmp_path / "earlier"
    (earlier / "app").mkdir(parents=True)
    # A build leaves links in what is sealed.
    (earlier / "app/pkg").symlink_to(outside)
    (earlier / "app/run.sh").symlink_to(outside / "code.py")
    seal(str(built), str(tmp_path / "later"), GROUP, earlier=[str(earlier)])
    path = tmp_path / "later/app/pkg/code.py"
    assert path.stat().st_ino != (outside / "code.py").stat().st_ino
    assert (tmp_path / "later/app/run.sh").read_text() == "#!/bin/sh\n"
    # Nor is what somebody else owns ever linked.
    own(built)
    seal(str(built), str(tmp_path / "last"), GROUP, earlier=[str(built)])
    assert (tmp_path / "last/app/run.sh").stat().st_uid == 0
