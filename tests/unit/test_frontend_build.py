"""What a front end is built from, and where its packages come from."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from groundcrew import remote
from groundcrew.manifest.frontend import Frontend
from groundcrew.manifest.source import DirectorySource
from groundcrew.releases import bundle, frontend
from groundcrew.releases.bundle import Bundle, SourceError, names
from groundcrew.remote.build_frontend import KEPT, rewrite
from groundcrew.roles.app import node

REGISTRY = "https://npm.test/all/"


@pytest.fixture(autouse=True)
def new_run() -> Iterator[None]:
    yield
    bundle._pack.cache_clear()


@pytest.mark.parametrize(
    ("key", "item", "expected"),
    [
        (
            "node_modules/vite",
            {"version": "5.0.1", "resolved": "http://mirror.test/npm/vite/-/vite-5.0.1.tgz"},
            "vite/-/vite-5.0.1.tgz",
        ),
        (
            "node_modules/a/node_modules/@vue/shared",
            {"version": "3.0.0", "resolved": "http://m.test/@vue%2fshared/-/shared-3.0.0.tgz"},
            "@vue/shared/-/shared-3.0.0.tgz",
        ),
        (
            "node_modules/vite",
            {"version": "5.0.1", "resolved": "https://cdn.test/packages/vite/5.0.1/vite-5.0.1.tgz"},
            "vite/-/vite-5.0.1.tgz",
        ),
        (
            "node_modules/alias",
            {"name": "real", "version": "1.0.0", "resolved": "http://m.test/real/-/real-1.0.0.tgz"},
            "real/-/real-1.0.0.tgz",
        ),
        (
            "node_modules/own",
            {"version": "1.0.0", "resolved": "https://files.test/own-1.0.0.tgz"},
            None,
        ),
        (
            "node_modules/own",
            {"version": "1.0.0", "resolved": "git+ssh://git@git.test/own/-/own-1.0.0.tgz"},
            None,
        ),
        ("node_modules/linked", {"resolved": "packages/linked", "link": True}, None),
        ("", {"version": "1.0.0"}, None),
    ],
)
def test_packages_of_a_registry_are_led_to_another(
    key: str, item: dict[str, Any], expected: str | None
) -> None:
    before = {**item, "integrity": "sha512-aa"}
    lock = {"packages": {key: dict(before)}}
    assert rewrite(lock, REGISTRY) == (1 if expected else 0)
    wanted = {**before, "resolved": f"https://npm.test/all/{expected}"} if expected else before
    assert lock["packages"][key] == wanted


def test_lockfiles_of_old_nest_what_they_name() -> None:
    inner = {"version": "npm:real@1.0.0", "resolved": "http://m.test/real/-/real-1.0.0.tgz"}
    outer = {"version": "2.0.0", "resolved": "http://m.test/a/-/a-2.0.0.tgz"}
    assert rewrite({"dependencies": {"a": {**outer, "dependencies": {"b": inner}}}}, REGISTRY) == 2
    assert inner["resolved"] == "https://npm.test/all/real/-/real-1.0.0.tgz"


class Source:
    """A source with a front end in `web`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("app.py", "web/package.json", "web/package-lock.json", "web/src/main.js"):
            self.write(name, "{}")

    def write(self, name: str, text: str) -> Path:
        path = self.root / "src" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def pack(self, **settings: Any) -> Bundle:
        bundle._pack.cache_clear()
        front = Frontend(**{"directory": "web", **settings})
        source = DirectorySource(directory="src")
        return bundle.pack(source, self.root, self.root / "store", front)

    def key(self, **settings: Any) -> str:
        front = Frontend(**{"directory": "web", **settings})
        return frontend.key(front, self.pack(**settings))

    def check(self, **settings: Any) -> None:
        front = Frontend(**{"directory": "web", **settings})
        frontend.check(front, self.pack(**settings))


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return Source(tmp_path)


def test_what_builds_leave_is_not_uploaded(source: Source) -> None:
    for name in ("node_modules/a/index.js", "web/node_modules/a/index.js", "web/dist/index.html"):
        source.write(name, "")
    expected = {"app.py", "node_modules/a/index.js", "web/src/main.js"}
    expected |= {"web/package.json", "web/package-lock.json"}
    assert names(source.pack()) == expected
    assert names(source.pack(directory=".", output="web")) == {"app.py"}


def test_what_is_built_already_is_taken_whatever_gitignore_says(source: Source) -> None:
    source.write(".gitignore", "dist\n*.map\n")
    source.write("web/dist/.gitignore", "*\n")
    source.write("web/dist/assets/a.js.map", "")
    source.write("dist/other", "")
    packed = source.pack(build="none")
    assert {"web/dist/assets/a.js.map", "web/dist/.gitignore"} <= names(packed)
    assert "dist/other" not in names(packed)
    source.check(build="none")
    with pytest.raises(SourceError, match="src has no files in web/build"):
        source.check(build="none", output="build")


def test_what_a_build_needs(source: Source) -> None:
    source.check()
    (source.root / "src/web/package-lock.json").rename(source.root / "src/web/yarn.lock")
    with pytest.raises(SourceError, match=r"no web/package-lock\.json, which names what"):
        source.check()
    source.write("web/npm-shrinkwrap.json", "{}")
    source.check()
    with pytest.raises(SourceError, match=r"src has no gone/package\.json"):
        source.check(directory="gone")
    with pytest.raises(SourceError, match="output must be a directory of its own"):
        source.check(output=".")


def test_a_key_names_what_the_result_follows_from(source: Source) -> None:
    first = source.key()
    source.write("app.py", "changed")
    assert source.key(registry="https://npm.test", url="/web/") == first
    others = [
        source.key(env={"VITE_A": "1"}), source.key(command="make"), source.key(node="22"),
        source.key(output="build"),
    ]  # fmt: skip
    source.write("web/src/main.js", "changed")
    others.append(source.key())
    source.write("web/src/main.js", "changed").chmod(0o755)
    others.append(source.key())
    assert len({first, *others}) == 7


# Enough of npm to see what it is asked and what it sees.
NPM = """\
#!/bin/sh
echo "$* TOKEN=$TOKEN NODE_ENV=$NODE_ENV registry=$npm_config_registry VITE=$VITE_A" >> LOG
if [ "$1" = ci ] && [ -e fail ]; then
    printf 'npm error out of step\\nnpm error Usage:\\nx\\n'
    exit 1
fi
test "$1" = run && { mkdir -p dist && cat src/main.js > dist/index.html; }
exit 0
"""


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    log = tmp_path / "npm.log"
    program = tmp_path / "bin/npm"
    program.parent.mkdir()
    program.write_text(NPM.replace("LOG", str(log)))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("TOKEN", "secret")
    return log


def test_a_build_here_is_made_once_and_sees_no_secrets(source: Source, npm: Path) -> None:
    front = Frontend(
        directory="web", build="operator", registry="https://npm.test", env={"VITE_A": "1"}
    )
    packed = source.pack(build="operator")
    made = frontend.built(front, packed, source.root / "store")
    assert npm.read_text().splitlines() == [
        "ci --include=dev TOKEN= NODE_ENV= registry=https://npm.test VITE=",
        "run build TOKEN= NODE_ENV=production registry=https://npm.test VITE=1",
    ]
    assert names(made) == names(packed) | {"web/dist/index.html"}
    assert made.archive
    with tarfile.open(made.archive) as archive:
        assert not [item.name for item in archive if "node_modules" in item.name]
    assert frontend.built(front, packed, source.root / "store") == made
    # Other code, the same front end.
    source.write("app.py", "changed")
    again = frontend.built(front, source.pack(build="operator"), source.root / "store")
    assert again.digest != made.digest
    assert len(npm.read_text().splitlines()) == 2


def test_a_build_that_fails_says_why_and_leaves_nothing(source: Source, npm: Path) -> None:
    source.write("web/fail", "")
    front = Frontend(directory="web", build="operator")
    with pytest.raises(SourceError) as caught:
        frontend.built(front, source.pack(build="operator"), source.root / "store")
    assert "npm error out of step" in str(caught.value)
    assert "npm ci: exit status 1" in str(caught.value)
    assert "Usage" not in str(caught.value)
    assert npm.exists()
    assert not list((source.root / "store/frontend").iterdir())


def test_a_command_that_makes_nothing(source: Source, npm: Path) -> None:
    assert not npm.exists()
    front = Frontend(directory="web", build="operator", command="true")
    with pytest.raises(SourceError, match="true made no files in dist"):
        frontend.built(front, source.pack(build="operator"), source.root / "store")


def test_only_the_newest_results_are_kept(source: Source, npm: Path) -> None:
    for number in range(KEPT + 2):
        spec: dict[str, Any] = {
            "source": str(source.root / "src/web"),
            "target": str(source.root / "out/dist"),
            "store": str(source.root / "results"),
            "key": f"key{number}",
            "output": "dist",
            "command": "npm run build",
            "env": {},
            "registry": None,
            "npm_cache": None,
            "skip": [],
        }
        program = remote.source("build_frontend")
        subprocess.run([sys.executable, "-ISc", program, json.dumps(spec)], check=True)
        os.utime(source.root / f"results/key{number}", (number, number))
    assert npm.exists()
    assert len(list((source.root / "results").iterdir())) == KEPT
    assert (source.root / "out/dist/index.html").read_text() == "{}"


def test_versions_of_node() -> None:
    version, text = node.pinned("22")
    assert version and version.startswith("22.")
    assert text and "--hash=sha256:" in text
    assert node.pinned(version) == (version, text)
    assert node.pinned("debian") == (None, None)
    for major in ("20", "24"):
        assert (node.pinned(major)[0] or "").startswith(f"{major}.")
    with pytest.raises(SourceError, match=r"no Node\.js 26 here; choose one of debian, 20\."):
        node.pinned("26")
    with pytest.raises(SourceError, match=r"no Node\.js 18 here: that gets no security fixes"):
        node.pinned("18")


def test_a_build_that_fails_says_which_node_it_asks_for(source: Source, npm: Path) -> None:
    source.write("web/fail", "")
    source.write("web/package.json", '{"engines": {"node": ">=99"}}')
    front = Frontend(directory="web", build="operator")
    with pytest.raises(SourceError, match=r"package\.json asks for >=99: see frontend\.node"):
        frontend.built(front, source.pack(build="operator"), source.root / "store")
    assert npm.exists()
