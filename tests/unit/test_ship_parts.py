"""What one host has built arrives on another one as if it had been built there, and an archive that
was changed on its way, or was made to harm, does not."""

from __future__ import annotations

import io
import json
import os
import stat
import subprocess
import tarfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from groundcrew.remote import build_variables, inspect_parts, pack_parts, receive_parts
from groundcrew.remote.build_unit import StepsFailedError
from groundcrew.remote.parts import check, is_part, mark, part_names
from groundcrew.remote.receive_parts import ARCHIVE, INSIDE, ReceivedError
from groundcrew.remote.seal import SealError, seal

BUILDER = 4321
KEYS = {"environment": "a" * 16, "source": None, "code": "b" * 16}
ENVIRONMENT, CODE = f"environments/{'a' * 16}.3.11", f"code/{'b' * 16}.3.11"


class Builders:
    """In place of the sandboxed unit: the same program with the build user's rights alone."""

    def steps(
        self, program: list[str], payload: Any, *, binds: dict[str, str], shown: dict[str, str]
    ) -> None:
        del payload
        places = {inside: outside for outside, inside in {**binds, **shown}.items()}
        arguments = []
        for argument in program:
            option, equals, value = argument.partition("=")
            arguments.append(f"{option}{equals}{places.get(value, value)}")
        done = subprocess.run(arguments, user=BUILDER, group=BUILDER, extra_groups=[], check=False)
        if done.returncode != 0:
            raise StepsFailedError


@pytest.fixture
def srv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """In place of /srv, with a host that has built both parts of a release."""
    tmp_path.chmod(0o755)
    for folder in tmp_path.parents:
        # The build user must get to the files; pytest's own directories are private.
        if folder.stat().st_uid == os.getuid() and str(folder).startswith("/tmp/"):
            folder.chmod(0o755)
    monkeypatch.setattr(pack_parts, "SRV", tmp_path)
    monkeypatch.setattr(inspect_parts, "SRV", tmp_path)
    for part, text in ((ENVIRONMENT, "venv/bin/tool"), (CODE, "app/pkg/code.py")):
        built = tmp_path / "built" / part
        (built / text).parent.mkdir(parents=True)
        (built / text).write_text(f"# {part}\n")
        (built / text).chmod(0o755)
        (built / text.partition("/")[0] / "link").symlink_to("/etc/shadow")
        (built / "left").write_text("not of the part")
        for path in (built, *built.rglob("*")):
            os.chown(path, BUILDER, BUILDER, follow_symlinks=False)
        (tmp_path / "shop" / part).parent.mkdir(parents=True, exist_ok=True)
        seal(str(built), str(tmp_path / "shop" / part), BUILDER)
        mark(tmp_path / "shop" / part)
    return tmp_path


def packed(srv: Path, *parts: str) -> Any:
    (srv / "staging").mkdir(exist_ok=True)
    os.chown(srv / "staging", 1234, 1234)
    asked = {"name": "shop", "parts": list(parts), "directory": str(srv / "staging")}
    return pack_parts.pack(asked)


def unpacked(srv: Path, archive: Path, digest: str, *parts: str) -> dict[str, Path]:
    received = {"archive": str(archive), "sha256": digest, "parts": list(parts)}
    unit: Any = Builders()
    return receive_parts.unpack(unit, received, srv / "received", (BUILDER, BUILDER))


def test_parts_arrive_as_they_were_built(srv: Path) -> None:
    report = packed(srv, ENVIRONMENT, CODE)
    archive = Path(report["path"])
    assert report["sha256"] == sha256(archive.read_bytes()).hexdigest()
    assert (archive.stat().st_size, archive.stat().st_uid) == (report["size"], 1234)
    assert stat.S_IMODE(archive.stat().st_mode) == 0o600
    with tarfile.open(archive) as members:
        names = members.getnames()
    assert not [name for name in names if "left" in name or "part.json" in name]
    folders = unpacked(srv, archive, report["sha256"], ENVIRONMENT, CODE)
    for part, folder in folders.items():
        (srv / "other" / part).parent.mkdir(parents=True)
        seal(str(folder), str(srv / "other" / part), BUILDER)
        mark(srv / "other" / part)
        notes = [(srv / host / part / "part.json").read_text() for host in ("shop", "other")]
        assert notes[0] == notes[1], "modes, owners, sizes and times differ"
    assert (srv / "other" / CODE / "app/link").readlink() == Path("/etc/shadow")


def test_the_directories_for_them_are_of_the_build_user_alone(srv: Path) -> None:
    report = packed(srv, CODE)
    folder = unpacked(srv, Path(report["path"]), report["sha256"], CODE)[CODE]
    for path, owner, mode in (
        (srv / "received", 0, 0o750),
        (folder.parent, 0, 0o750),
        (folder, BUILDER, 0o700),
    ):
        state = path.lstat()
        assert (state.st_uid, stat.S_IMODE(state.st_mode)) == (owner, mode)


def test_what_broke_on_the_way_is_refused_unread(srv: Path) -> None:
    report = packed(srv, CODE)
    archive = Path(report["path"])
    with archive.open("r+b") as file:
        file.seek(-20, os.SEEK_END)
        file.write(b"x")
    with pytest.raises(ReceivedError, match=f"nothing of it was unpacked.*{report['sha256']}"):
        unpacked(srv, archive, report["sha256"], CODE)
    assert not (srv / "received").exists()
    (srv / "leads").symlink_to(archive)
    with pytest.raises(OSError, match="symbolic"):
        unpacked(srv, srv / "leads", report["sha256"], CODE)


def member(name: str, **values: Any) -> tarfile.TarInfo:
    item = tarfile.TarInfo(name)
    for key, value in values.items():
        setattr(item, key, value)
    return item


HOSTILE: dict[str, list[tarfile.TarInfo]] = {
    "traversal": [member(f"{CODE}/../../../outside", size=4)],
    "absolute": [member("ABSOLUTE/outside", size=4)],
    "through a link": [
        member(f"{CODE}/app", type=tarfile.SYMTYPE, linkname="OUTSIDE"),
        member(f"{CODE}/app/outside", size=4),
    ],
    "another directory": [member("outside", size=4)],
    "a link for the part": [
        member(CODE, type=tarfile.SYMTYPE, linkname="/etc"),
        member(f"{CODE}/outside", size=4),
    ],
    "hard link": [member(f"{CODE}/app/outside", type=tarfile.LNKTYPE, linkname="SECRET")],
    "device": [member(f"{CODE}/app/outside", type=tarfile.BLKTYPE, devmajor=8, mode=0o666)],
    "fifo": [member(f"{CODE}/app/outside", type=tarfile.FIFOTYPE)],
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_an_archive_made_to_harm_does_not(srv: Path, kind: str) -> None:
    """Even with a digest that fits it, as if the builder's root were hostile."""
    outside = srv / "of-root"
    outside.mkdir(mode=0o755)
    (outside / "secret").write_text("root's")
    (outside / "secret").chmod(0o600)
    archive = srv / "evil.tar.gz"
    places = {"ABSOLUTE": str(outside), "OUTSIDE": str(outside), "SECRET": f"{outside}/secret"}
    with tarfile.open(archive, "w:gz") as target:
        for item in HOSTILE[kind]:
            for word, place in places.items():
                item.name = item.name.replace(word, place)
                item.linkname = item.linkname.replace(word, place)
            target.addfile(item, io.BytesIO(b"evil"))
    digest = sha256(archive.read_bytes()).hexdigest()
    with pytest.raises((StepsFailedError, SealError)):
        folder = unpacked(srv, archive, digest, CODE)[CODE]
        seal(str(folder), str(srv / "sealed"), BUILDER, BUILDER)
        if not (srv / "sealed/app").is_dir():
            raise SealError
    assert [path.name for path in outside.iterdir()] == ["secret"]
    assert not (srv / "outside").exists()


def test_no_file_has_more_rights_than_a_build_could_give_it(srv: Path) -> None:
    archive = srv / "evil.tar.gz"
    with tarfile.open(archive, "w:gz") as target:
        item = member(f"{CODE}/app/su", size=4, mode=0o6777, uid=0, gid=0, uname="root")
        target.addfile(item, io.BytesIO(b"evil"))
    folder = unpacked(srv, archive, sha256(archive.read_bytes()).hexdigest(), CODE)[CODE]
    assert (folder / "app/su").stat().st_uid == BUILDER
    seal(str(folder), str(srv / "sealed"), BUILDER, BUILDER)
    state = (srv / "sealed/app/su").stat()
    assert (state.st_uid, state.st_gid, stat.S_IMODE(state.st_mode)) == (0, BUILDER, 0o750)


@pytest.mark.parametrize("name", ["code/../../etc", "/etc", "code", f"lib/{'a' * 16}.3.11", ""])
def test_only_parts_are_packed_and_received(srv: Path, name: str) -> None:
    assert not is_part(name)
    with pytest.raises(pack_parts.PackError, match="is not there"):
        packed(srv, name)
    report = packed_again(srv)
    with pytest.raises(ReceivedError, match="no name of a part"):
        unpacked(srv, Path(report["path"]), report["sha256"], name)


def packed_again(srv: Path) -> Any:
    return packed(srv, CODE)


def test_a_damaged_part_is_not_given_to_others(
    srv: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (srv / "shop" / CODE / "app/pkg/code.py").write_text("")
    asked = {"name": "shop", "parts": [CODE], "directory": str(srv)}
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(asked)))
    assert pack_parts.main() == 1
    assert "is damaged" in capsys.readouterr().err


def asks(**values: Any) -> dict[str, Any]:
    python = {"interpreter": "/usr/bin/python3", "wanted": None, "requires": None, "mirror": None}
    return {
        "name": "shop",
        "keys": KEYS,
        "uv": "/none",
        "python": python,
        "variables": {},
        "fetch": False,
        "check": True,
        "run": None,
        **values,
    }


@pytest.fixture
def python(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def runs(version: str) -> None:
        def captured(command: list[str], _: Any) -> subprocess.CompletedProcess[str]:
            return subprocess.CompletedProcess(command, 0, f"{version}\n", "")

        monkeypatch.setattr(inspect_parts, "capture", captured)

    return runs


def test_a_host_tells_what_it_lacks_and_what_it_is(
    srv: Path, python: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = tmp_path / "os-release"
    monkeypatch.setattr(inspect_parts, "OS_RELEASE", release)
    systems = []
    for suite, version in (("12", "3.11.2"), ("12", "3.11.9"), ("13", "3.11.2")):
        python(version)
        release.write_text(f'ID=debian\nVERSION_ID="{suite}"\n')
        report = inspect_parts.report(asks())
        assert (report["missing"], report["there"]) == ([], [ENVIRONMENT, CODE])
        systems.append(report["system"])
    assert len(set(systems)) == 3
    assert "/usr/bin/python3" in str(systems[0])
    (srv / "shop" / CODE / "app/pkg/code.py").write_text("")
    assert inspect_parts.report(asks())["missing"] == [CODE]
    assert inspect_parts.report(asks(check=False))["missing"] == []
    python("3.12.1")
    assert inspect_parts.report(asks())["missing"] == [
        name.replace("3.11", "3.12") for name in (ENVIRONMENT, CODE)
    ]


def test_an_environment_with_the_source_stands_for_the_one_below_it(
    srv: Path, python: Callable[[str], None]
) -> None:
    python("3.11.2")
    keys = {**KEYS, "source": "c" * 16}
    names = part_names(keys, "3.11.2")
    assert names.every == [ENVIRONMENT, names.environment, CODE]
    assert inspect_parts.report(asks(keys=keys))["missing"] == [names.environment]
    (srv / "shop" / ENVIRONMENT).rename(srv / "shop" / names.environment)
    assert check(srv / "shop" / names.environment)
    assert inspect_parts.report(asks(keys=keys))["missing"] == []


def test_a_host_without_the_interpreter_has_no_system(python: Callable[[str], None]) -> None:
    python("3.11.2")
    wanted = {**asks()["python"], "wanted": "3.13", "interpreter": "/usr/bin/python3"}
    report = inspect_parts.report(asks(python=wanted))
    assert report == {"system": None, "missing": [], "there": []}


def test_builds_have_no_variables_of_roots(tmp_path: Path) -> None:
    own = build_variables.variables(tmp_path, {"UV_DEFAULT_INDEX": "https://index"})
    assert own["HOME"] == str(tmp_path)
    assert own["UV_DEFAULT_INDEX"] == "https://index"
    done = build_variables.capture(["/usr/bin/env"], {"A": "b"})
    assert done.stdout == "A=b\n"


def test_the_unit_sees_the_archive_and_its_directory_alone() -> None:
    assert f"--directory={INSIDE}" in receive_parts.TAR
    assert f"--file={ARCHIVE}" in receive_parts.TAR
