"""What a run that fails tells at its end: what, on which host, why, and what to do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest

from groundcrew.console.failures import Failure
from groundcrew.console.report import report
from tests.unit.checkout import ROOT, Checkout, Listener
from tests.unit.sshd import KEY, Sshd


@pytest.fixture
def checkout(tmp_path: Path, sshd: Sshd) -> Iterator[Checkout]:
    """Its host is the server of this process, which lets nobody in unless a test says so."""
    listener = Listener()
    checkout = Checkout(tmp_path, listener)
    KEY.write_private_key_file(str(tmp_path / "key"))
    (tmp_path / "known_hosts").write_text(known(sshd, KEY))
    host = {
        "ssh_hostname": "127.0.0.1",
        "ssh_port": sshd.port,
        "ssh_user": "deploy",
        "bootstrap_user": "root",
        "ssh_key": str(tmp_path / "key"),
        "ssh_known_hosts_file": str(tmp_path / "known_hosts"),
        "ssh_config_file": str(tmp_path / "none"),
    }
    checkout.write("inventory/prod.py", f"web = [('web1', {host!r})]\n")
    yield checkout
    listener.socket.close()


def known(sshd: Sshd, key: paramiko.PKey) -> str:
    return f"[127.0.0.1]:{sshd.port} {key.get_name()} {key.get_base64()}\n"


def told(checkout: Checkout, *arguments: str, **environment: str) -> str:
    """The report of a run that cannot connect; line breaks are blanks."""
    done = checkout.run("playbooks/status.py", "-y", *arguments, **environment)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert not (checkout.root / "pyinfra-debug.log").exists()
    _, marker, text = done.stderr.partition("groundcrew: the run failed; nothing was changed\n")
    assert marker, done.stderr
    assert text.splitlines()[1] == "  web1: connecting"
    return " ".join(text.split())


def test_a_host_that_is_not_there(checkout: Checkout, sshd: Sshd) -> None:
    sshd.close()
    text = told(checkout)
    assert f"127.0.0.1 port {sshd.port} refuses connections" in text
    assert f"ssh -p {sshd.port} -i {checkout.root}/key root@127.0.0.1" in text
    text = told(checkout, "--data", "ssh_hostname=nowhere.invalid")
    assert f"nowhere.invalid port {sshd.port}: no such name" in text and "`ssh_hostname`" in text


def test_keys_that_are_missing_or_wrong(checkout: Checkout, sshd: Sshd) -> None:
    text = told(checkout, "--data", "ssh_key=/gone")
    assert "private key file: /gone" in text and "`ssh_key` names it" in text
    text = told(checkout)
    assert "refused deploy and root (bootstrap_user) with the key" in text
    assert f"ssh -p {sshd.port} -i {checkout.root}/key root@127.0.0.1" in text
    checkout.write(
        "inventory/prod.py",
        (checkout.root / "inventory/prod.py").read_text().replace("'ssh_key'", "'_'"),
    )
    text = told(checkout, HOME=str(checkout.root), SSH_AUTH_SOCK="")
    assert "there is no SSH key to log in with" in text and "ssh-keygen" in text


def test_host_keys_that_are_others_or_unknown(checkout: Checkout, sshd: Sshd) -> None:
    checkout.write("known_hosts", known(sshd, paramiko.RSAKey.generate(1024)))
    text = told(checkout)
    assert f"is not the one in {checkout.root}/known_hosts" in text
    assert f"ssh-keygen -f {checkout.root}/known_hosts -R '[127.0.0.1]:{sshd.port}'" in text
    checkout.write("known_hosts", "")
    text = told(checkout, "--data", "ssh_strict_host_key_checking=yes")
    assert "known_hosts has no host key of 127.0.0.1" in text and '"accept-new"' in text


def test_a_user_who_may_run_nothing(checkout: Checkout, sshd: Sshd) -> None:
    # As images of clouds have it for root.
    sshd.users = {"root"}
    sshd.shell["root"] = 'Please login as the user "debian" rather than the user "root".\n\n', False
    text = told(checkout)
    assert 'Set bootstrap_user = "debian"' in text
    sshd.shell["root"] = "This account is currently not available.\n", False
    text = told(checkout)
    assert "This account is currently not available." in text and "bootstrap_user" in text


def test_a_shell_that_greets(checkout: Checkout, sshd: Sshd) -> None:
    sshd.users = {"root"}
    sshd.shell["root"] = "Welcome to this host\n", True
    text = told(checkout)
    assert "the shell of root prints before it runs a command: Welcome to this host" in text
    assert "case $- in *i*) ;; *) return;; esac" in text


@pytest.mark.parametrize(
    ("file", "code", "line"),
    [
        ("group_data/web.py", "apps = [\n", "group_data/web.py line 1: '[' was never closed"),
        (
            "group_data/web.py",
            "\napps = gone\n",
            "group_data/web.py line 2: NameError: name 'gone'",
        ),
        ("inventory/prod.py", "web = [\n", "inventory/prod.py line 1: '[' was never closed"),
        ("inventory/prod.py", "web = 1 / 0\n", "inventory/prod.py line 1: ZeroDivisionError"),
    ],
)
def test_files_that_python_cannot_run(checkout: Checkout, file: str, code: str, line: str) -> None:
    checkout.write(file, code)
    done = checkout.run("deploy.py", "-y")
    assert done.returncode == 1
    text = done.stderr.partition("groundcrew: ")[2]
    assert text.startswith(line)
    assert "Traceback" not in done.stderr and "bug report" not in done.stderr
    assert not (checkout.root / "pyinfra-debug.log").exists()


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ('web = "vm1"', 'web = ["vm1"]'),
        ('web = "vm1, vm2"', 'web = ["vm1", "vm2"]'),
        ("web = {'vm1'}\nall = ['vm2']", "web = ['vm1']"),
        ('web = {"vm1": {"ssh_port": 2222}}', "web = [('vm1', {...})]"),
    ],
)
def test_a_group_that_is_no_list(checkout: Checkout, code: str, message: str) -> None:
    checkout.write("inventory/prod.py", code + "\n")
    report = checkout.refused("deploy.py", "-y")
    assert report.startswith("1 error")
    assert f"inventory/prod.py: web\n      a group is a list of hosts: {message}" in report


def elsewhere(checkout: Checkout, *command: str, **environment: str) -> tuple[int, str]:
    place = checkout.root.parent / f"{checkout.root.name}-elsewhere"
    place.mkdir(exist_ok=True)
    done = subprocess.run(
        command,
        cwd=place,
        env={**os.environ, "PYTHONPATH": "", **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


@pytest.mark.parametrize("name", ["prod", "lab", "vagrant"])
def test_started_elsewhere_it_names_the_directory(
    checkout: Checkout, sshd: Sshd, name: str
) -> None:
    if name != "prod":
        checkout.write(f"inventory/{name}.py", (ROOT / f"inventory/{name}.py").read_text())
        # What is asked for hosts there is this machine's.
        checkout.write(
            f"groundcrew/lab/{'inventory' if name == 'lab' else name}.py",
            "def running():\n    return {'web': ['web1']}\n",
        )
    pyinfra = str(Path(sys.executable).with_name("pyinfra"))
    files = [f"{checkout.root}/inventory/{name}.py", f"{checkout.root}/deploy.py"]
    status, text = elsewhere(checkout, pyinfra, *files, "-y")
    assert status == 1
    assert text.endswith(f"go to the project first:\n  cd {checkout.root}\n")
    assert sshd.transports == []


def test_another_pyinfra_or_none(checkout: Checkout, tmp_path: Path) -> None:
    old = tmp_path / "old/pyinfra-3.2.dist-info"
    old.mkdir(parents=True)
    (old / "METADATA").write_text("Metadata-Version: 2.1\nName: pyinfra\nVersion: 3.2\n")
    command = [str(Path(sys.executable).with_name("pyinfra")), "inventory/prod.py", "deploy.py"]
    done = subprocess.run(
        command,
        cwd=checkout.root,
        env={**os.environ, "PYTHONPATH": str(old.parent)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "groundcrew: this is pyinfra 3.2 with Python" in done.stderr
    assert done.stderr.endswith("In the project's directory: pip install -r requirements.txt\n")
    status, text = elsewhere(checkout, sys.executable, f"{checkout.root}/deploy.py")
    assert status == 1
    assert "pyinfra runs this file" in text and f"cd {checkout.root} &&" in text


def local(checkout: Checkout, code: str) -> list[str]:
    """A run on this machine."""
    checkout.write("play.py", f"from pyinfra.operations import server\n{code}\n")
    return [str(Path(sys.executable).with_name("pyinfra")), "@local", "play.py", "-y"]


def test_the_end_of_a_failed_operation(checkout: Checkout) -> None:
    command = "seq 100; echo E: no such package >&2; seq 100; echo the end; exit 7"
    play = local(
        checkout, f"server.shell(name='base | packages', commands=[{command!r}], _sudo=False)"
    )
    done = subprocess.run(
        play,
        cwd=checkout.root,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 1
    _, marker, text = done.stderr.partition("\ngroundcrew: the run failed\n")
    assert marker
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    assert lines[0] == "@local: base | packages"
    assert "E: no such package" in lines and "the end" in lines
    assert len(lines) < 12
    assert lines[-1].startswith("When it is fixed, run the same again")


def test_an_error_that_is_ignored_is_no_failure(checkout: Checkout) -> None:
    play = local(
        checkout,
        "server.shell(name='try', commands=['exit 1'], _sudo=False, _ignore_errors=True)",
    )
    done = subprocess.run(
        play,
        cwd=checkout.root,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0
    assert "the run failed" not in done.stderr


def test_ctrl_c_ends_with_130_and_starts_nothing_more(checkout: Checkout) -> None:
    begun, after = checkout.root / "begun", checkout.root / "after"
    play = local(
        checkout,
        f"server.shell(name='base | wait', commands=['touch {begun}; sleep 4'], _sudo=False)\n"
        f"server.shell(name='base | after', commands=['touch {after}'], _sudo=False)",
    )
    run = subprocess.Popen(
        play, cwd=checkout.root, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    while not begun.exists():
        time.sleep(0.1)
    began = time.monotonic()
    run.send_signal(signal.SIGINT)
    _, text = run.communicate(timeout=20)
    assert run.returncode == 130
    assert time.monotonic() - began < 3
    assert "groundcrew: stopped by you\n\n  @local: was at: base | wait\n" in text
    assert "Run the same again" in text
    time.sleep(4)
    assert not after.exists()


def test_hosts_that_failed_the_same_way_are_told_once() -> None:
    failures = [
        Failure(f"web{number}", "base | x", ("No space left on device",)) for number in (1, 2)
    ]
    text = report([*failures, Failure("web3", "connecting", ("db does not answer",))])
    assert text == (
        "groundcrew: the run failed\n\n"
        "  web1, web2: base | x\n      No space left on device\n"
        "  web3: connecting\n      db does not answer\n"
        "  Free some space on the host, then run the same again.\n"
        "  When it is fixed, run the same again: what is done is not done twice."
    )
    assert report([]) == ""


def test_the_last_three_lines_tell_cause_manifest_and_next_step() -> None:
    said: tuple[str, ...] = (
        "*** Error compiling './shop.py'...",
        '  File "./shop.py", line 6',
        "    import os(",
        "SyntaxError: invalid syntax",
        "shop: build failed at: compile: exit status 1",
    )
    failures = [
        Failure("web1", "app | outcome", ("not released: shop (build releases)",)),
        Failure("web1", "app | build releases", said),
    ]
    assert report(failures).splitlines()[-3:] == [
        "  web1: app | build releases: shop: build failed at: compile: exit status 1: "
        "SyntaxError: invalid syntax",
        "  Fix ./shop.py line 6 in the application's source.",
        "  When it is fixed, run the same again: what is done is not done twice.",
    ]
    said = ("shop: /helth gave status 404", "20260101T000000Z-0 still serves")
    [_, advice, _] = report([failures[0], Failure("web1", "probe", said)]).splitlines()[-3:]
    assert "`health.path` in apps/shop.yml" in advice
    said = ("shop: /health gave status 301", "20260101T000000Z-0 still serves")
    [_, advice, _] = report([failures[0], Failure("web1", "probe", said)]).splitlines()[-3:]
    assert "`nginx.forwarded_proto: https` in apps/shop.yml" in advice
