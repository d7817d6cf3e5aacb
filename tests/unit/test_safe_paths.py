"""What root does in directories of others stays there, whatever they put in the way meanwhile."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from groundcrew import remote
from groundcrew.entries import Absent, Directory, Link, PathEntry, differs, payload
from groundcrew.remote import apply_files, inspect_files, safe_paths
from tests.unit.test_apply_files import apply, directory, file, inspect, tree

OTHER = 65534 if os.geteuid() == 0 else os.geteuid()
SWAP = """
import ctypes
exchange, here = 2, -100
while True:
    ctypes.CDLL(None).renameat2(here, b"below", here, b"link", exchange)
"""


class Hostile:
    """A directory in which others can write, beside one that is none of their business."""

    def __init__(self, root: Path) -> None:
        self.victim, self.own = root / "victim", root / "own"
        self.victim.mkdir(mode=0o700)
        (self.victim / "secret").write_text("secret")
        self.own.mkdir()
        # As good as another user's: what is made in it is not trusted.
        self.own.chmod(0o777)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """A process that puts a link in the place of `below`, and `below` back, all the time."""
        (self.own / "below").mkdir()
        (self.own / "link").symlink_to(self.victim)
        process = subprocess.Popen([sys.executable, "-ISc", SWAP], cwd=self.own)
        try:
            yield
            assert process.poll() is None
        finally:
            process.kill()
            process.wait()

    def state(self) -> tuple[int, dict[str, tuple[str, str]]]:
        return self.victim.stat().st_mode, tree(self.victim)


@pytest.fixture
def hostile(tmp_path: Path) -> Hostile:
    return Hostile(tmp_path)


def change(*entries: PathEntry) -> bool:
    """Whether the change was made."""
    try:
        apply_files.Change([payload(entry) for entry in entries]).apply(None)
    except (apply_files.ChangeError, OSError):
        return False
    return True


def made(entry: PathEntry) -> bool:
    """Whether the directory was made; without its way to the disk, which takes longest."""
    try:
        with safe_paths.opened(entry.path) as place:
            apply_files.make_directory(payload(entry), place)
    except (apply_files.ChangeError, OSError):
        return False
    return True


@pytest.mark.parametrize(
    ("path", "act", "times"),
    [("below", made, 3000), ("below/new", made, 3000), ("below", change, 300)],
    ids=["made", "made below", "changed"],
)
def test_a_directory_that_becomes_a_link_meanwhile(
    hostile: Hostile, path: str, act: Callable[[PathEntry], bool], times: int
) -> None:
    before = hostile.state()
    entry = directory(hostile.own / path, "0777")
    with hostile.at_work():
        done = [act(entry) for _ in range(times)]
    assert hostile.state() == before
    # Both have been met: the directory, and the link.
    assert {*done} == {True, False}


def test_files_links_and_removals_where_a_directory_becomes_a_link(hostile: Hostile) -> None:
    below, before = hostile.own / "below", hostile.state()
    entries: list[list[PathEntry]] = [
        [file(below / "new", "x")],
        [Link(str(below / "link"), "x"), file(below / "secret", "mine")],
        [Absent(str(below / "secret"))],
    ]
    with hostile.at_work():
        done = [change(*entries[number % 3]) for number in range(600)]
        for _ in range(600):
            state = inspect_files.inspect(str(below / "secret"), True, {})
            assert state is None or state["kind"] in ("other", "file")
            assert "c2VjcmV0" not in str(state)
    assert hostile.state() == before
    assert {*done} == {True, False}


def test_a_link_by_others_is_named_and_nothing_is_changed(hostile: Hostile) -> None:
    (hostile.own / "below").symlink_to(hostile.victim)
    before, path = hostile.state(), hostile.own / "below"
    for entry in (
        directory(path / "new"),
        file(path / "secret", "x"),
        Link(str(path / "secret"), "x"),
        Absent(str(path / "secret")),
    ):
        result = apply(file(hostile.own / "first", "x"), entry)
        assert result.returncode == 1
        assert f"{path} is a link that others than root can make or change" in result.stderr
        assert not (hostile.own / "first").exists()
        # So that a run comes to say it, not even one that wants nothing there is content.
        states = inspect(path / "secret", globs=[[str(path), "*"]])
        assert [*states] == [f"{path}/secret"]
        assert differs(entry, states[f"{path}/secret"])
    assert hostile.state() == before


def test_a_link_by_root_leads_on(tmp_path: Path) -> None:
    (tmp_path / "volume").mkdir()
    (tmp_path / "app").mkdir()
    (tmp_path / "app/shared").symlink_to("../volume")
    (tmp_path / "volume/again").symlink_to(tmp_path / "volume")
    path = tmp_path / "app/shared/again/media"
    assert apply(directory(path), file(path / "a", "x")).returncode == 0
    assert (tmp_path / "volume/media/a").read_text() == "x"
    assert inspect(path / "a")[str(path / "a")]["kind"] == "file"


def test_links_beside_others_files_count_where_nobody_can_replace_them(tmp_path: Path) -> None:
    folder, link = tmp_path / "tmp", tmp_path / "tmp/link"
    folder.mkdir()
    (tmp_path / "end").mkdir()
    link.symlink_to(tmp_path / "end")
    folder.chmod(0o1777)
    assert apply(file(link / "a", "x")).returncode == 0
    os.lchown(link, OTHER, -1)
    assert apply(file(link / "a", "y")).returncode == (0 if os.geteuid() == OTHER else 1)


def test_links_that_go_in_circles_and_files_on_the_way(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    (tmp_path / "file").touch()
    for way in ("a", "file"):
        result = apply(file(tmp_path / way / "c", "x"))
        assert result.returncode == 1
        assert f"the directory of {tmp_path / way}/c does not exist" in result.stderr


def test_a_link_must_not_lead_out_of_a_directory_nor_back_to_another(tmp_path: Path) -> None:
    release = tmp_path / "release"
    (release / "app/inner").mkdir(parents=True)
    (release / "app/inside").symlink_to(release / "app/inner")
    (release / "app/outside").symlink_to("../..")
    within = str(release)
    assert apply(file(release / "app/inside/a", "x", within=within)).returncode == 0
    assert (release / "app/inner/a").read_text() == "x"
    result = apply(file(release / "app/outside/a", "x", within=within))
    assert "a link leads out of" in result.stderr
    assert not (tmp_path / "a").exists()


def test_a_value_is_not_kept_where_a_link_by_others_leads(hostile: Hostile) -> None:
    from tests.unit.test_generated import value

    (hostile.own / "secrets").symlink_to(hostile.victim)
    store = hostile.own / "secrets/secret"
    entry = file(hostile.own / "env", "generated1", generated=(value(store),))
    result = apply(entry)
    assert result.returncode == 1
    assert "is a link that others" in result.stderr
    assert not (hostile.own / "env").exists()


def test_a_pipe_keeps_nobody_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    states = inspect(tmp_path / "pipe")
    assert states[str(tmp_path / "pipe")]["kind"] == "other"
    result = apply(file(tmp_path / "pipe", "x"))
    assert "neither a file, a directory nor a link" in result.stderr
    with (
        safe_paths.opened(str(tmp_path / "pipe")) as place,
        pytest.raises(OSError, match="is not a file"),
    ):
        place.read()


def test_a_second_name_in_others_directory_is_not_shown(hostile: Hostile) -> None:
    name = hostile.own / "name"
    os.link(hostile.victim / "secret", name)
    states = inspect(name, content=True)
    assert states[str(name)]["kind"] == "file"
    assert "content" not in states[str(name)]
    assert "content" in inspect(hostile.victim / "secret", content=True).popitem()[1]


def test_what_is_taken_over_is_nobody_elses(tmp_path: Path) -> None:
    media, outside = tmp_path / "media", tmp_path / "outside"
    media.mkdir()
    for name in ("mine", "others"):
        (tmp_path / name).write_text("x")
        (tmp_path / name).chmod(0o600)
        os.link(tmp_path / name, media / name)
    os.chown(tmp_path / "others", OTHER, -1)
    outside.mkdir(mode=0o700)
    os.mkfifo(media / "pipe", 0o600)
    user, group = str(os.geteuid()), str(os.getegid())
    assert change(Directory(str(media), "2750", user, group, default_mode="0750"))
    modes = [f"{(tmp_path / name).stat().st_mode & 0o777:o}" for name in ("mine", "others")]
    assert modes == ["640", "640" if os.geteuid() == OTHER else "600"]
    assert (media / "pipe").stat().st_mode & 0o777 == 0o600


def test_a_directory_too_deep_to_take_over_is_an_error(tmp_path: Path) -> None:
    media = tmp_path / "media"
    media.joinpath(*["d"] * 150).mkdir(parents=True)
    here = os.open(media.joinpath(*["d"] * 150), os.O_RDONLY)
    Path(f"/proc/self/fd/{here}", *["e"] * 100).mkdir(parents=True)
    os.close(here)
    user, group = str(os.geteuid()), str(os.getegid())
    result = apply(Directory(str(media), "2750", user, group, default_mode="0750"))
    assert result.returncode == 1
    assert "directories in one another" in result.stderr
    assert "Traceback" not in result.stderr


def test_validators_read_what_was_staged(hostile: Hostile, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    for folder in (hostile.own, hostile.victim):
        result = apply(
            file(folder / "conf", "new", validate=f"cat {{}} > {seen}; echo {{}}; false")
        )
        assert seen.read_text() == "new"
        plain = f"{folder}/.conf.groundcrew-new-" in result.stderr
        # Where others can write, the path may lead elsewhere by then.
        assert plain == (folder == hostile.victim)


def test_directories_are_closed_again(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("missing")
    program = (
        "import os, sys, types\nmodule = sys.modules['loaded'] = types.ModuleType('loaded')\n"
        f"exec({remote.source('apply_files')!r}, module.__dict__)\n"
        "from loaded import Change, ChangeError, snapshot\n"
        f"""
before = os.listdir("/proc/self/fd")
entries = [
    {payload(directory(tmp_path / "a"))!r},
    {payload(file(tmp_path / "a/b", "x"))!r},
]
for path in ("gone/a", "link/a", "a/b/c"):
    try:
        Change([*entries, {{**entries[1], "path": "{tmp_path}/" + path}}]).apply(None)
        raise SystemExit(path)
    except ChangeError:
        pass
Change(entries).apply(None)
snapshot("{tmp_path}/a/b")
assert os.listdir("/proc/self/fd") == before
"""
    )
    subprocess.run([sys.executable, "-ISc", program], check=True)


def test_what_a_program_imports_is_sent_once() -> None:
    sent = remote.source("apply_files")
    assert sent.count("def printable(") == 1
    assert sent.count("class UnsafePathError") == 1
