"""While something takes long, a line says what."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest

from groundcrew.console import failures, waiting
from groundcrew.console.failures import Running
from tests.terminal import on_terminal
from tests.unit.checkout import Checkout, Listener

OPERATION = """\
from pyinfra.operations import server
server.shell(name='base | a step with a name that no narrow terminal holds', commands=['sleep 7'],
             _sudo=False)
"""


@pytest.mark.parametrize(
    ("seconds", "hosts", "line"),
    [
        (2, ["web1"], "base | Debian packages (web1)"),
        (31, ["web1"], "31 s: base | Debian packages (web1)"),
        (135, ["web1", "web2"], "2 min 15 s: base | Debian packages (web1, web2)"),
        (6, list("abcde"), "6 s: base | Debian packages (a, b, c, 2 more)"),
    ],
)
def test_the_step_its_hosts_and_the_time(seconds: int, hosts: list[str], line: str) -> None:
    running = {host: Running("base | Debian packages", 100.0) for host in hosts}
    assert waiting.text(running, "", 0.0, 100.0 + seconds) == line


def test_what_is_no_operation_has_pyinfras_words() -> None:
    assert waiting.text({}, "{web1}", 100.0, 107.0) == "7 s: {web1}"


def test_a_log_gets_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(waiting, "EVERY", 0.3)
    monkeypatch.setattr(waiting, "LONG", 0.0)
    monkeypatch.setattr(failures.STORY, "running", {"web1": Running("base | x")})
    stop = threading.Event()
    threading.Timer(1.1, stop.set).start()
    waiting.show(stop, [])
    lines = capsys.readouterr().err.splitlines()
    assert 2 <= len(lines) <= 3
    assert all(line.endswith("s: base | x (web1)") for line in lines)
    monkeypatch.setenv("PYINFRA_PROGRESS", "off")
    waiting.show(threading.Event(), [])
    assert capsys.readouterr().err == ""


def test_a_terminal_has_one_line_that_fits(tmp_path: Path) -> None:
    listener = Listener()
    checkout = Checkout(tmp_path, listener)
    checkout.write("play.py", OPERATION)
    pyinfra = str(Path(sys.executable).with_name("pyinfra"))
    status, output = on_terminal([pyinfra, "@local", "play.py", "-y"], checkout.root, 50, {})
    assert status == 0, output
    listener.socket.close()
    lines = [part.replace("\x1b[K", "") for part in output.split("\r")]
    spun = [line for line in lines if line.strip(" \n")[:1] in waiting.WHEEL and line.strip()]
    told = [line for line in spun if "s: base | a step with a name" in line]
    assert told
    assert max(map(len, spun)) < 50
