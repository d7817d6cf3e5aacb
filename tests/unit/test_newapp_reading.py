"""bin/new-app reads source and never runs it, and always writes a manifest that can be read."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from groundcrew.manifest.model import AppSettings
from groundcrew.newapp.__main__ import main
from groundcrew.newapp.entry import Entry
from groundcrew.newapp.frontend import FrontendGuess
from groundcrew.newapp.guess import Guess
from groundcrew.newapp.project import Project
from groundcrew.newapp.reading.reader import Reader
from groundcrew.newapp.reading.values import UNKNOWN
from groundcrew.newapp.workers import Worker
from tests.unit.newapp_trees import look, text, tree

FLASK = "from flask import Flask\napp = Flask('x')\n"


def names(folder: Path, code: str, **environment: str) -> dict[str, Any]:
    """What a module's names are after it has been read."""
    reader = Reader(Project(tree(folder, {"m.py": code})), environment)
    frame = reader.read("m")
    assert frame is not None
    return frame.names


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("X = 'a' + 'b'", "ab"),
        ("X = [1, 2]\nX += [3]", [1, 2, 3]),
        ("X = [1]\nX.append(2)\nX.extend((3,))", [1, 2, 3]),
        ("X = {'a': 1}\nX['b'] = 2", {"a": 1, "b": 2}),
        ("X = {'a': 1}\nX.update({'b': 2})", {"a": 1, "b": 2}),
        ("X = [v.upper() for v in 'a,b'.split(',') if v != 'b']", ["A"]),
        ("import os\nX = 1 if os.getenv('A') else 2", 2),
        ("import os\nX = 1\nif os.environ.get('A') == 'x':\n    X = 2", 1),
        ("import os\nif os.environ.get('B', 'x') == 'x':\n    X = 2\nelse:\n    X = 3", 2),
        ("def f(a, b=2, *, c=3):\n    return [a, b, c]\nX = f(1, c=4)", [1, 2, 4]),
        ("def f(a):\n    match a:\n        case 'x':\n            return 1\n        case _:\n"
         "            return 2\nX = f('y')", 2),
        ("class A:\n    Y = 5\nX = A.Y", 5),
        ("class A:\n    Y = 5\nclass B(A): ...\nX = B().Y", 5),
        # Only a run would tell.
        ("import time\nX = time.time()", UNKNOWN),
        ("import os\nX = os.path.exists('/etc/passwd')", UNKNOWN),
        ("import random\nX = 1\nif random.random() > 0.5:\n    X = 2", 1),
        ("import random\nif random.random() > 0.5:\n    X = 1\nelse:\n    X = 2", 1),
        ("X = open('/etc/passwd').read()", UNKNOWN),
        ("X = __import__('os').getcwd()", UNKNOWN),
        ("X = eval('1 + 1')", UNKNOWN),
        ("X = 1 / 0", UNKNOWN),
        ("X = [][3]", UNKNOWN),
        ("X = int('x')", UNKNOWN),
    ],
)  # fmt: skip
def test_what_a_module_says(tmp_path: Path, code: str, value: Any) -> None:
    read_value = names(tmp_path, code)["X"]
    if value is UNKNOWN:
        assert not isinstance(read_value, str | int | list | dict | bool)
    else:
        assert read_value == value


def test_variables_are_those_that_are_given_and_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODE", "mine")
    code = "import os\nX = os.getenv('MODE', 'none')\nY = os.environ['PATH']\n"
    assert names(tmp_path, code)["X"] == "none"
    assert names(tmp_path, code, MODE="given")["X"] == "given"
    assert names(tmp_path, code)["Y"] is UNKNOWN


def test_nothing_of_the_source_is_run(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    code = f"""
        import os, pathlib, subprocess
        pathlib.Path({str(mark)!r}).write_text("x")
        os.system("touch {mark}")
        subprocess.run(["touch", {str(mark)!r}])
        class A:
            def __init_subclass__(cls): open({str(mark)!r}, "w")
        class B(A): ...
        X = [open({str(mark)!r}, "w") for _ in range(3)]
        from flask import Flask
        app = Flask("x")
    """
    result = look(tmp_path / "src", {"app.py": code})
    assert result.entry.name == "app:app"
    assert not mark.exists()


@pytest.mark.parametrize(
    "code",
    [
        "def f(x): return f(x) + f(x)\nX = f(1)",
        "def f(x): return g(x) + g(x)\ndef g(x): return f(x) + f(x)\nX = f(1)",
        "def f(): return [f() for _ in [1] * 50]\nX = f()",
        "X = " + "(" * 90 + "1" + ")" * 90,
        "X = 'a' * 10 ** 12",
        "X = [0] * 10 ** 12",
        "X = 10 ** 10 ** 10",
        "X = '%9999999999d' % 1",
        "X = '{:9999999999}'.format(1)",
        "X = 'a'\n" + "X = X + X\n" * 80,
        "X = [1]\n" + "X = X + X\n" * 80,
        "X = [1]\n" + "X += X\n" * 80,
        "X = [1]\n" + "X.extend(X)\n" * 80,
        "X = 'ab'\n" + "X = X.replace('a', X)\n" * 80,
        "X = 'ab'\n" + "X = X.join(list(X))\n" * 80,
        "X = 'ab'\n" + "X = f'{X}{X}'\n" * 80,
        "X = {'a': 1}\n" + "X = {'a': X, 'b': X}\n" * 80 + "Y = X == X\nZ = f'{X}'\n"
        "import os\nW = os.path.join('a', X)\nV = 'a' % X",
        "L = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]\ndef f(x): return [f(L) for _ in x]\nX = f(L)",
        "class A(A): ...\nX = A.y",
        "from m import *\nfrom m import X",
        "import m\nX = m.X",
        "while True:\n    X = 1",
    ],
)
def test_no_source_takes_long(tmp_path: Path, code: str) -> None:
    start = time.monotonic()
    result = look(tmp_path, {"m.py": code, "app.py": "import m\n" + FLASK})
    assert result.entry.name == "app:app"
    assert time.monotonic() - start < 10


def test_paths_do_not_lead_out_of_the_source(tmp_path: Path) -> None:
    code = """
        import os
        DATA_DIR = os.path.join(os.path.dirname(__file__), "..", "..", "data")
        UPLOAD_FOLDER = "../uploads"
        DATABASE = "../data/x.db"
        from flask import Flask
        app = Flask("x")
    """
    assert look(tmp_path / "src", {"app.py": code}).shared == []


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"static": ("static files", "/static/")}, "static"),
        ({"static": ("static", "/")}, "static"),
        ({"media": ("media", "media")}, "media"),
        ({"shared": ["a b"]}, "shared"),
        ({"requirements": "my requirements.txt"}, "requirements"),
        ({"entry": Entry("ä.b:c", "Flask", "wsgi")}, "entry"),
        ({"workers": [Worker("Bad_Name", "x")]}, "workers"),
        ({"health": "no path"}, "health"),
        ({"frontend": FrontendGuess("web app", "dist")}, "frontend"),
        ({"static": ("static", "/static/"), "media": ("x", "/static/")}, "media"),
        ({"static": ("static", "/static/"), "health": "/static/up"}, "health"),
    ],
)
def test_what_the_settings_refuse_is_left_for_a_person(
    tmp_path: Path, change: dict[str, Any], key: str
) -> None:
    result: Guess = look(tmp_path, {"app.py": FLASK})
    for name, value in change.items():
        setattr(result, name, value)
    whole = text(result)
    AppSettings.model_validate(yaml.safe_load(whole))
    assert f"# Fill in {key}: " in whole
    assert key not in yaml.safe_load(whole)


@pytest.mark.parametrize("end", ["\n", "\r", "\x85", "\u2028", "]\n", "'\n", '"\n', "\n  "])
def test_words_of_the_source_stay_words(tmp_path: Path, end: str) -> None:
    evil = f"x{end}network: any"
    result: Guess = look(tmp_path, {"app.py": FLASK})
    result.checks.append(evil)
    result.shared.append(evil)
    result.health = f"/{evil}"
    result.static = (evil, evil)
    result.media = (evil, evil)
    result.build_hooks.append(evil)
    result.env["X"] = evil
    result.workers.append(Worker("worker", evil, reason=evil))
    values = yaml.safe_load(text(result))
    assert "network" not in values
    assert values["hooks"]["build"] == [evil]
    assert values["env"] == {"X": evil}


def test_notes_are_in_the_manifest_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = "import os\nX = os.environ['MODE']\n" + FLASK
    tree(tmp_path / "x" / "backend", {"app.py": code, "requirements.txt": ""})
    assert main([str(tmp_path / "x")], tmp_path) == 0
    assert "MODE is required" in capsys.readouterr().out
    whole = (tmp_path / "apps/x.yml").read_text()
    assert "# - env: MODE is required; fill in its value" in whole
    assert yaml.safe_load(whole)["source"] == {"directory": "x/backend"}
