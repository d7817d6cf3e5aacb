"""`groundcrew export`: the files that it writes, and those that it leaves alone."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import yaml

from groundcrew.commands import main
from groundcrew.orchestrators.written import OthersFilesError, write
from tests.unit.workload_examples import FIVE


def export(kind: str, name: str, folder: Path, *more: str) -> int:
    words = ["export", kind, name, "--image", "registry.test/app:1", "--no-inventory"]
    return main([*words, "--output", str(folder), *more])


def content(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("kind", ["kubernetes", "swarm"])
@pytest.mark.parametrize("name", FIVE)
def test_the_examples_are_written_and_a_second_time_not(
    kind: str, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "out"
    assert export(kind, name, folder) == 0
    first = content(folder)
    told = capsys.readouterr().out
    assert "Not carried over:" in told
    assert "backup: nothing here is backed up" in first["NOTES.md"].replace("`", "")
    assert export(kind, name, folder) == 0
    assert "nothing has changed" in capsys.readouterr().out
    assert content(folder) == first
    for script in folder.rglob("*.sh"):
        assert os.access(script, os.X_OK)
        subprocess.run(["sh", "-n", script], check=True)
    for path, text in first.items():
        if path.endswith((".yaml", ".yml")):
            list(yaml.safe_load_all(text))


def test_values_of_secrets_are_not_written(tmp_path: Path) -> None:
    assert export("kubernetes", "ragagent-like", tmp_path / "out") == 0
    assert export("swarm", "ragagent-like", tmp_path / "stack") == 0
    assert "not-for-the-public" not in str([content(tmp_path)])


CLUSTER = """\
#!/bin/sh
echo "$(basename "$0") $*" >> "$LOG"
case "$*" in
    "config inspect"* | "network inspect"*) exit 1 ;;
    "service ps"* | "get "*) echo "$STATE" ;;
esac
"""
"""Stands for docker or kubectl, neither of which has a cluster here."""


@pytest.mark.parametrize(
    ("kind", "script", "states", "last"),
    [
        ("swarm", "deploy.sh", ["Complete 1 second ago", "Failed 1 second ago"], "stack deploy"),
        ("kubernetes", "apply.sh", ["SuccessCriteriaMet Complete", "Failed"], "rollout status"),
    ],
)
def test_nothing_is_replaced_unless_the_hooks_succeed(
    kind: str, script: str, states: list[str], last: str, tmp_path: Path
) -> None:
    assert export(kind, "legacypi-like", tmp_path / "out") == 0
    (tmp_path / "bin").mkdir()
    for name in ("docker", "kubectl"):
        (tmp_path / "bin" / name).write_text(CLUSTER)
        (tmp_path / "bin" / name).chmod(0o755)
    for status, state in enumerate(states):
        log = tmp_path / f"{status}.log"
        environment = {
            **os.environ,
            "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
            "LOG": str(log),
            "STATE": state,
        }
        done = subprocess.run([tmp_path / "out" / script], env=environment, check=False)
        assert done.returncode == status
        assert (last in log.read_text()) == (status == 0)


def test_files_of_others_are_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    assert export("swarm", "opendify-like", tmp_path) == 1
    assert "--force" in capsys.readouterr().err
    assert content(tmp_path) == {"mine.txt": "mine"}
    assert export("swarm", "opendify-like", tmp_path, "--force") == 0
    (tmp_path / "stack.yml").write_text("changed by hand")
    assert export("swarm", "opendify-like", tmp_path) == 1
    assert "stack.yml was changed" in capsys.readouterr().err
    assert (tmp_path / "stack.yml").read_text() == "changed by hand"
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_files_that_are_no_longer_wanted_are_removed(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    write(folder, {"a.txt": "a", "deep/b.txt": "b"})
    done = write(folder, {"a.txt": "c"})
    assert (done.new, done.changed, done.removed) == ((), ("a.txt",), ("deep/b.txt",))
    assert not (folder / "deep/b.txt").exists()


def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "elsewhere").write_text("")
    (tmp_path / "out/a.txt").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OthersFilesError, match="is a link"):
        write(tmp_path / "out", {"a.txt": "a"}, force=True)
    assert (tmp_path / "elsewhere").read_text() == ""


def test_what_cannot_be_exported_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export("kubernetes", "nobody", tmp_path / "out") == 1
    assert "nobody" in capsys.readouterr().err
    more = ("--access", "ReadWriteOnce")
    assert export("kubernetes", "opendify-like", tmp_path / "out", *more) == 1
    assert "ReadWriteOnce is for one pod" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_inventory_says_which_hosts_settings_count(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "inventory.py").write_text(
        'web = [("web1", {"apps": ["opendify-like"], "nginx": {"upstream_keepalive_time": 20}})]\n'
    )
    words = ["export", "kubernetes", "opendify-like", "--image", "registry.test/app:1"]
    words += ["--inventory", str(tmp_path / "inventory.py"), "--output", str(tmp_path / "out")]
    assert main(words) == 0
    app = (tmp_path / "out/30-app.yaml").read_text()
    # 20 + 5 + 2 s, and 2 s more for the server.
    assert "'29'" in app
    assert main([*words, "--host", "web9"]) == 1
    assert "web9" in capsys.readouterr().err
