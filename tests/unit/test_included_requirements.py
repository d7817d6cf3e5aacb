"""A requirements file with those that it includes: one text, read the same way whatever an editor
wrote, and with paths as a build finds them."""

from __future__ import annotations

import codecs
import hashlib
import json
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

from groundcrew.releases.bundle import read_member
from groundcrew.settings import SettingsError
from tests.unit.test_release_plan import Planner

UV = Path(__file__).resolve().parents[2] / ".venv/bin/uv"
POETRY = """\
[tool.poetry]
name = "notes"
[tool.poetry.dependencies]
bottle = "^0.13"
[build-system]
requires = ["poetry-core"]
"""
SETUP = "from setuptools import setup\nsetup(name='lib')\n"


@pytest.fixture
def planner(tmp_path: Path) -> Planner:
    planner = Planner(tmp_path)
    (tmp_path / "src/setup.py").unlink()
    return planner


def write(planner: Planner, path: str, content: str | bytes) -> None:
    target = planner.project / "src" / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content.encode() if isinstance(content, str) else content)


def own(planner: Planner, **changes: Any) -> list[str]:
    lines = planner.plan(**changes).requirements.text.splitlines()
    return [line for line in lines if not line.startswith("gunicorn==")]


def error(planner: Planner, **changes: Any) -> tuple[str, str]:
    with pytest.raises(SettingsError) as caught:
        planner.plan(**changes)
    [problem] = caught.value.problems
    return problem.key.removeprefix("app.shop."), problem.message


def test_included_files_are_read_like_the_first(planner: Planner) -> None:
    bom = codecs.BOM_UTF8
    write(planner, "req/production.txt", bom + b"-r base.txt\r\n--requirement=../more.txt\r\nflask")
    write(planner, "req/base.txt", b"Werkzeug[watchdog] \\\r\n    >=3,<4\r\n--prefer-binary\r\n")
    write(planner, "more.txt", "celery\n".encode("utf-16"))
    wanted = ["Werkzeug[watchdog] >=3,<4", "--prefer-binary", "celery", "flask"]
    assert own(planner, requirements="req/production.txt") == wanted


def test_constraints_stay_a_file_that_uv_can_read(planner: Planner) -> None:
    write(planner, "req/production.txt", "flask\n-c ../limits/main.txt\n")
    write(planner, "limits/main.txt", b"\xef\xbb\xbf-c more.txt\r\nflask<4\r\n")
    write(planner, "limits/more.txt", b"jinja2 \\\r\n ==3.1\r\n")
    plan = planner.plan(requirements="req/production.txt")
    assert plan.requirements.text.splitlines()[:2] == ["flask", "-c app/limits/main.txt"]
    assert read_member(plan.bundle, "limits/main.txt") == b"-c more.txt\nflask<4\n"
    assert read_member(plan.bundle, "limits/more.txt") == b"jinja2 ==3.1\n"
    assert plan.bundle.label == "src"


def test_constraints_that_need_nothing_leave_the_source_alone(planner: Planner) -> None:
    write(planner, "requirements.txt", "flask\n-c limits.txt\n")
    write(planner, "limits.txt", "flask<4\n")
    plan = planner.plan()
    assert plan.bundle.digest == planner.plan(requirements=False).bundle.digest


def test_what_an_included_file_pins_is_the_applications(planner: Planner) -> None:
    write(planner, "requirements.txt", "-r base.txt\n")
    write(planner, "base.txt", "gunicorn==22.0.0\nflask\n")
    assert planner.plan().requirements.text == "gunicorn==22.0.0\nflask\n"


def test_hashes_in_included_files_are_hashes(planner: Planner) -> None:
    write(planner, "requirements.txt", "-r base.txt\n")
    write(planner, "base.txt", "flask==3.1.0 --hash=sha256:aa\n")
    assert planner.plan().requirements.hashed


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("--find-links wheels", "--find-links app/req/wheels"),
        ("-f top", "--find-links app/top"),
        ("--find-links=https://example.com/w", "--find-links=https://example.com/w"),
        ("-e .[excel]", "-e ./.[excel]"),
        ("--editable=./lib ; os_name == 'nt'", "--editable=./lib ; os_name == 'nt'"),
        ("-e inner", "-e ./req/inner"),
        ("./wheels/a-1-py3-none-any.whl", "./req/wheels/a-1-py3-none-any.whl"),
        ("top/b-1-py3-none-any.whl", "./top/b-1-py3-none-any.whl"),
        ("-e git+https://example.com/a.git@v1#egg=a", "-e git+https://example.com/a.git@v1#egg=a"),
        ("a @ https://example.com/a-1-py3-none-any.whl", "a @ https://example.com/a-1-py3-none-any.whl"),
        ("/srv/wheels/a.whl", "/srv/wheels/a.whl"),
        ("-r https://example.com/x.txt", "-r https://example.com/x.txt"),
        ("-c /etc/limits.txt", "-c /etc/limits.txt"),
        ("zope.interface>=5 ; extra == './x'", "zope.interface>=5 ; extra == './x'"),
    ],
)  # fmt: skip
def test_paths_are_found_beside_their_file_or_at_the_top(
    planner: Planner, line: str, expected: str
) -> None:
    write(planner, "pyproject.toml", '[project]\nname = "shop"\n')
    for path in ("lib/setup.py", "req/inner/setup.py", "req/wheels/a-1-py3-none-any.whl",
                 "top/b-1-py3-none-any.whl"):  # fmt: skip
        write(planner, path, SETUP)
    write(planner, "req/main.txt", f"{line}\n")
    assert own(planner, requirements="req/main.txt") == [expected]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("-r gone.txt", "req/main.txt names gone.txt, and src has no file req/gone.txt"),
        ("-c ../../limits.txt", "req/main.txt names ../../limits.txt, and src has no file"),
        ("--find-links gone", "req/main.txt names gone, and src has no files there"),
        ("-e ./gone", "req/main.txt: -e ./gone: src has no package in gone or req/gone"),
        ("-r main.txt", "req/main.txt includes itself"),
        ("-r latin.txt", "the requirements are not text in UTF-8 or UTF-16: req/latin.txt"),
    ],
)
def test_what_is_not_there_is_told_before_a_build(
    planner: Planner, line: str, message: str
) -> None:
    write(planner, "req/main.txt", f"{line}\n")
    write(planner, "req/latin.txt", b"fl\xe4sk\n")
    problem = error(planner, requirements="req/main.txt")
    assert problem[0] == "requirements"
    assert message in problem[1]


def test_a_lock_of_ones_own_may_include_others(planner: Planner) -> None:
    (planner.project / "locks").mkdir()
    (planner.project / "locks/shop.lock").write_bytes(b"-r base.lock\r\nflask==3.1.0\r\n")
    (planner.project / "locks/base.lock").write_text("jinja2==3.1.0\n")
    given: dict[str, Any] = {"lock": "locks/shop.lock", "requirements": None}
    assert own(planner, **given) == ["jinja2==3.1.0", "flask==3.1.0"]
    (planner.project / "locks/base.lock").write_text("-c limits.txt\n")
    assert error(planner, **given) == (
        "lock", "base.lock: -c limits.txt: hosts do not get what lies beside it"
    )  # fmt: skip


def test_uv_understands_the_result(planner: Planner, tmp_path: Path) -> None:
    """As a build on a host has it: the text beside `app`, uv run in `app`."""
    name = "zzthing-1.0-py3-none-any.whl"
    write(planner, "requirements/main.txt", b"--find-links wheels\r\n-r base.txt\r\n-e ./lib\r\n")
    write(planner, "requirements/base.txt", b"zzthing \\\r\n  >=1\r\n-c ../limits.txt\r\n")
    write(planner, "limits.txt", b"\xef\xbb\xbfzzthing \\\r\n  <2\r\n")
    write(planner, "lib/setup.py", SETUP)
    wheel = planner.project / "src/requirements/wheels" / name
    wheel.parent.mkdir()
    with zipfile.ZipFile(wheel, "w") as archive:
        info = "zzthing-1.0.dist-info"
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: zzthing\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    plan = planner.plan(requirements="requirements/main.txt")
    assert plan.bundle.archive
    release = tmp_path / "release"
    (release / "app").mkdir(parents=True)
    subprocess.run(["tar", "-xzf", plan.bundle.archive, "-C", release / "app"], check=True)
    text = "".join(f"{line}\n" for line in own(planner, requirements="requirements/main.txt")
                   if "lib" not in line)  # fmt: skip
    (release / "requirements.txt").write_text(text)
    command = [
        str(UV),
        "pip",
        "compile",
        "--no-index",
        "--generate-hashes",
        "--no-header",
        "--quiet",
    ]
    command += ["--no-cache"]
    done = subprocess.run(
        [*command, "../requirements.txt"], cwd=release / "app", check=False,
        capture_output=True, text=True,
    )  # fmt: skip
    assert "zzthing==1.0" in done.stdout, done.stderr
    assert hashlib.sha256(wheel.read_bytes()).hexdigest() in done.stdout


NONE: dict[str, Any] = {"requirements": None}


@pytest.mark.parametrize(
    ("path", "text", "way_out"),
    [
        ("pyproject.toml", POETRY, "`poetry export -o requirements.txt`"),
        ("poetry.lock", "", "`poetry export -o requirements.txt`"),
        ("Pipfile", "", "`pipenv requirements --hash > requirements.txt`"),
        ("setup.py", SETUP, "set `install: true`"),
        ("setup.cfg", "[options]\ninstall_requires =\n  flask\n", "set `install: true`"),
        ("requirements/production.txt", "flask\n", "name the file in `requirements`"),
        ("requirements.in", "flask\n", "name the file in `requirements`"),
    ],
)
def test_requirements_that_only_another_tool_reads_are_told(
    planner: Planner, path: str, text: str, way_out: str
) -> None:
    (planner.project / "src/requirements.txt").unlink()
    write(planner, path, text)
    key, message = error(planner, **NONE)
    assert key == "requirements"
    assert f"no requirements were found, though {path} says what it needs" in message
    assert way_out in message
    assert own(planner, requirements=False) == own(planner, requirements=False)
    planner.plan(requirements=False)


def test_what_only_tools_for_developers_need_is_no_requirement(planner: Planner) -> None:
    (planner.project / "src/requirements.txt").unlink()
    write(planner, "requirements-dev.txt", "pytest\n")
    write(planner, "requirements/tests.txt", "pytest\n")
    write(planner, "setup.cfg", "[flake8]\nmax-line-length = 100\n")
    planner.plan(**NONE)


@pytest.mark.parametrize("asked", [None, "pyproject.toml"])
def test_poetry_builds_what_is_to_be_installed(planner: Planner, asked: str | None) -> None:
    (planner.project / "src/requirements.txt").unlink()
    write(planner, "pyproject.toml", POETRY)
    plan = planner.plan(requirements=asked, install=True, extras=["pg"])
    assert plan.requirements.text.startswith("./.[pg]\n")
    assert plan.requirements.install == "."


def test_extras_need_something_that_has_them(planner: Planner) -> None:
    (planner.project / "shop.lock").write_text("flask==3.1.0\n")
    message = error(planner, requirements=None, lock="shop.lock", extras=["pg"])[1]
    assert message == "extras are those of a pyproject.toml, a uv.lock or a wheel"


ASGI: dict[str, Any] = {"server": {"worker_class": "uvicorn"}}


@pytest.mark.parametrize(
    "text",
    ["uvicorn==0.29.0\n", "uvicorn[standard]==0.35.0 --hash=sha256:aa\n", "gunicorn==20.1.0\n"],
)
def test_a_server_that_is_too_old_for_its_worker_class(planner: Planner, text: str) -> None:
    write(planner, "requirements.txt", text)
    key, message = error(planner, **ASGI)
    assert key == "server.type"
    assert "is pinned, and gunicorn's worker class for ASGI needs" in message
    assert "set `server.type: uvicorn`" in message
    write(planner, "requirements.txt", f"{text}uvicorn-worker==0.2.0\n")
    planner.plan(**ASGI)


def test_the_same_in_a_lock_of_uv(planner: Planner) -> None:
    write(planner, "pyproject.toml", '[project]\nname = "shop"\n')
    for version, good in (("0.29.0", False), ("0.36.0", True)):
        write(planner, "uv.lock", f'[[package]]\nname = "uvicorn"\nversion = "{version}"\n')
        given: dict[str, Any] = {"requirements": "uv.lock", **ASGI}
        if good:
            planner.plan(**given)
        else:
            assert error(planner, **given)[0] == "server.type"


def test_the_worker_class_is_the_one_that_was_looked_at() -> None:
    lock = Path(__file__).resolve().parents[2] / "roles/gunicorn/requirements/asgi.lock"
    assert "uvicorn-worker==0.4.0" in lock.read_text(), "see WORKER_NEEDS in collect.py"


SCM = """\
[build-system]
requires = [{requires}]
[project]
name = "Shop.API"
dynamic = ["version"]
"""


@pytest.mark.parametrize(
    ("requires", "more", "variable"),
    [
        (["setuptools>=64", "setuptools_scm[toml]>=8"], "",
         "SETUPTOOLS_SCM_PRETEND_VERSION_FOR_SHOP_API"),
        (["hatchling", "hatch-vcs"], "", "SETUPTOOLS_SCM_PRETEND_VERSION"),
        (["pdm-backend"], '[tool.pdm.version]\nsource = "scm"\n', "PDM_BUILD_SCM_VERSION"),
        (["pdm-backend"], "", None),
        (["setuptools"], "", None),
    ],
)  # fmt: skip
def test_a_build_is_told_the_version_that_git_knows(
    planner: Planner, requires: list[str], more: str, variable: str | None
) -> None:
    source = planner.project / "src"
    write(planner, "pyproject.toml", SCM.format(requires=json.dumps(requires)[1:-1]) + more)
    for command in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=n", "-c", "user.email=e@x.test", "commit", "-qm", "1"],
        ["tag", "v1.2.0"],
    ):
        subprocess.run(["git", *command], cwd=source, check=True)
    git = {"git": str(source), "ref": "v1.2.0"}
    for given in (git, {"directory": "src"}):
        plan = planner.plan(source=given, install=True)
        assert plan.toolchain.environment == ({variable: "1.2.0"} if variable else {})
    subprocess.run(["git", "tag", "v1.3.0"], cwd=source, check=True)
    later = planner.plan(source={**git, "ref": "v1.3.0"}, install=True)
    assert (later.digest == planner.plan(source=git, install=True).digest) == (variable is None)


def test_a_version_that_nothing_knows_is_told_before_a_build(planner: Planner) -> None:
    write(planner, "pyproject.toml", SCM.format(requires='"setuptools-scm"'))
    key, message = error(planner, install=True)
    assert key == "install"
    assert "pyproject.toml has its version from git (setuptools-scm), and src is no git" in message
    write(planner, "PKG-INFO", "Version: 1.0\n")
    planner.plan(install=True)
    (planner.project / "src/PKG-INFO").unlink()
    text = SCM.format(requires='"setuptools-scm"') + "[tool.setuptools_scm]\n"
    write(planner, "pyproject.toml", f'{text}fallback_version = "0.1"\n')
    planner.plan(install=True)
