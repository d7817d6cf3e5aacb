"""A hostile application, its build and its hooks stay one unprivileged user each.

Each test carries an attack out on a host that serves a second application under light load, and
looks that the attack got nothing and that the other application lost nothing.
"""

from __future__ import annotations

import json
import re
import textwrap
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import LabHost, Run, inside, pyinfra, traffic

METADATA = "169.254.169.254"
NOBODYS = "/etc/profile.d/pwned.sh"


@pytest.fixture
def source(source: Path) -> Path:
    (source / "version").write_text(str(time.time()))
    return source


@pytest.fixture(autouse=True)
def innocent(bookworm: LabHost) -> Iterator[None]:
    """The other application answers every request meanwhile."""
    inside(bookworm, f"rm -f /pwned {NOBODYS} /etc/nologin")
    with traffic(bookworm, "/uuid", "httpbin.test", pause=0.1) as counts:
        yield
    assert counts.requests > 5
    assert counts.failures == []
    assert inside(bookworm, f"ls /pwned {NOBODYS} /etc/nologin 2>/dev/null || true") == ""


def release(
    host: LabHost, source: Path, *, build: str = "", more: Mapping[str, Any] | None = None
) -> Run:
    """A release of hello, whose build runs a script of the attacker's."""
    if build:
        (source / "attack.sh").write_text(textwrap.dedent(build))
    data = {
        "apps": ["hello", "httpbin"],
        "app.hello.source.directory": str(source),
        "app.hello.hooks.build": ["sh ./attack.sh > attack.log 2>&1; true"] if build else [],
        **(more or {}),
    }
    return pyinfra(host.name, data=data, playbook="playbooks/release.py")


def attacked(host: LabHost, source: Path, build: str, more: Mapping[str, Any] | None = None) -> str:
    """What the attacker's script saw; the release itself is none the worse for it."""
    run = release(host, source, build=build, more=more)
    assert run.status == 0, run.stderr
    return inside(host, "cat /srv/hello/current/app/attack.log")


def as_app(host: LabHost, command: str, app: str = "hello") -> str:
    """Output of a command as the application's user, whatever its exit status."""
    return inside(host, f"runuser -u {app} -- sh -c '{command}' 2>&1 || true")


def test_a_build_is_an_unprivileged_user_in_a_sandbox(bookworm: LabHost, source: Path) -> None:
    seen = attacked(
        bookworm,
        source,
        """\
        echo user=$(id -un) groups=$(id -Gn)
        grep -E '^(NoNewPrivs|CapEff|Seccomp):' /proc/self/status
        ls /srv
        ls /srv/httpbin /srv/hello/shared /srv/hello/secrets /var/lib/groundcrew/manifest
        cat /etc/shadow
        touch /etc/pwned /usr/pwned /srv/pwned /run/pwned /var/tmp/../pwned
        chmod u+s attack.sh && stat -c mode=%a attack.sh
        """,
    )
    assert "user=hello-build groups=hello-build\n" in seen
    assert "NoNewPrivs:\t1" in seen
    assert "CapEff:\t0000000000000000" in seen
    assert "Seccomp:\t2" in seen
    # Of /srv it has what is its own.
    assert seen.split("Seccomp")[1].split("\n")[1:4] == [
        "build_steps.py",
        "hello",
        "source.tar.gz",
    ]
    for path in ("/srv/httpbin", "/srv/hello/shared", "/srv/hello/secrets"):
        assert f"'{path}': No such file" in seen
    assert "shadow: Permission denied" in seen
    for path in ("/etc", "/usr", "/srv", "/run"):
        assert re.search(rf"'{path}/pwned': (Read-only file system|Permission denied)", seen), seen
    assert "mode=4" not in seen
    # Nor do marks of the file system become root's.
    files = inside(bookworm, "find -L /srv/hello/releases /srv/hello/code -perm /6000 | head")
    assert files == ""


def test_names_that_a_build_makes_are_no_words(bookworm: LabHost, source: Path) -> None:
    """A1: root removes old releases without running their names."""
    word = "00;touch $(printf \\\\57)pwned;#"
    seen = attacked(
        bookworm,
        source,
        f"""\
        mkdir "/srv/hello/releases/{word}" "/srv/hello/code/{word}" "/srv/hello/build/{word}"
        mkdir -p "{word}/$(printf 'new\\nline')" && touch "{word}/-rf"
        mkdir "../{word}"
        """,
        {"app.hello.release.keep": 2},
    )
    assert seen.count("Read-only file system") + seen.count("No such file") >= 3
    for number in range(2):
        (source / "version").write_text(f"{number} {time.time()}")
        run = release(bookworm, source, more={"app.hello.release.keep": 2})
        assert run.status == 0, run.stderr
    names = inside(bookworm, "ls -A /srv/hello/releases").split()
    assert len(names) == 2
    assert all(inside(bookworm, f"stat -c %U /srv/hello/releases/{name}") == "root\n"
               for name in names)  # fmt: skip


def test_links_in_the_applications_directory_lead_root_nowhere(bookworm: LabHost) -> None:
    """A2: what nginx and root follow is root's; A7: nor does nginx follow the application's."""
    live = bookworm.live("hello")
    runtime, other = "/run/groundcrew/apps/hello", bookworm.live("httpbin")
    seen = as_app(bookworm, "ln -sfn /tmp/x /run/groundcrew/nginx/hello/current.sock")
    assert "Permission denied" in seen
    name = "zz;touch ${HOME%%s*}pwned|sh;.sock"
    inside(bookworm, f"runuser -u hello -- ln -s /tmp/x '{runtime}/{name}'")
    inside(
        bookworm,
        f"runuser -u hello -- sh -c 'rm {runtime}/{live}.sock && "
        f"ln -s /run/groundcrew/apps/httpbin/{other}.sock {runtime}/{live}.sock'",
    )
    try:
        answer = bookworm.get("/uuid", "hello.test")
        assert answer.status_code == 502, answer.text
        assert "Permission denied" in as_app(bookworm, "ls /run/groundcrew/apps/httpbin")
        inside(bookworm, f"systemctl restart hello@{live}.service")
        for playbook in ("playbooks/restart.py", "playbooks/status.py"):
            done = pyinfra(bookworm.name, playbook=playbook, data={"app": "hello"})
            assert done.status == 0, done.stderr
    finally:
        inside(bookworm, f"rm -f '{runtime}/{name}'; systemctl restart hello@{live}.service")
    deadline = time.monotonic() + 20
    while bookworm.get("/", "hello.test").status_code != 200 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert bookworm.get("/", "hello.test").status_code == 200


@pytest.mark.parametrize("path", ["public", "public/deep"])
def test_a_static_directory_that_leads_elsewhere_is_not_published(
    bookworm: LabHost, source: Path, path: str
) -> None:
    """A3: the release fails before the switch, or leaves out what lies elsewhere."""
    live = bookworm.live("hello")
    build = "ln -s /etc public" if path == "public" else "mkdir public && ln -s /etc public/deep"
    more = {"app.hello.static": {"path": path, "url": "/files/"}}
    run = release(bookworm, source, build=build, more=more)
    for url in ("/files/shadow", "/files/passwd", "/files/deep/passwd", "/files/hostname"):
        assert bookworm.get(url, "hello.test").status_code == 404
    assert "root:" not in inside(bookworm, "cat /srv/hello/static/passwd 2>/dev/null || true")
    assert run.status != 0
    assert bookworm.live("hello") == live
    assert pyinfra(bookworm.name).status == 0


def test_nothing_of_a_build_runs_on_or_is_root_s_to_write(bookworm: LabHost, source: Path) -> None:
    """A4: no process is left that could swap what root reads; A5: no link where root writes; A10:
    what the build says a release is does not count."""
    seen = attacked(
        bookworm,
        source,
        f"""\
        setsid nohup sh -c 'while :; do ln -sfn /srv/httpbin/current/env ../env; done' &
        (setsid sleep 300 &)
        for name in hooks.log bad hooks-done env; do ln -s {NOBODYS} ../$name; done
        ln -s /etc/nologin ../hooks-failed
        echo '{{"broken": ' > ../release.json
        echo '[]' > ../sbom.cdx.json
        echo planted
        """,
        {"app.hello.hooks.release": ["echo root must not follow"]},
    )
    assert "planted" in seen
    left = inside(bookworm, "ps -o args= -u hello-build || true")
    assert left == ""
    folder = f"/srv/hello/releases/{bookworm.live('hello')}"
    assert inside(bookworm, f"stat -c %F:%U:%a {folder}/env") == "regular file:root:600\n"
    assert inside(bookworm, f"stat -c %F:%U {folder}/hooks.log") == "regular file:root\n"
    about = json.loads(inside(bookworm, f"cat {folder}/release.json"))
    assert about["release"] == bookworm.live("hello")
    assert json.loads(inside(bookworm, f"cat {folder}/sbom.cdx.json"))["bomFormat"] == "CycloneDX"
    # Every application of the host can still be looked at, and released.
    for playbook in ("playbooks/status.py", "playbooks/releases.py"):
        assert pyinfra(bookworm.name, playbook=playbook).status == 0


def test_a_broken_release_json_is_no_matter_for_others(bookworm: LabHost) -> None:
    """A10: nor would one that is broken on the disk be; its own release is built again."""
    path = f"/srv/hello/releases/{bookworm.live('hello')}/release.json"
    inside(bookworm, f"echo '{{' > {path}")
    assert pyinfra(bookworm.name, playbook="playbooks/status.py").status == 0
    run = pyinfra(bookworm.name)
    assert run.status == 0, run.stderr
    assert pyinfra(bookworm.name).changed == []


def test_a_failing_build_cannot_touch_what_is_finished(bookworm: LabHost, source: Path) -> None:
    """A6: nothing of the live release, or of those that are kept, is shared with it."""
    before = inside(bookworm, "cd /srv/hello && find environments code -type f | xargs sha256sum")
    run = release(
        bookworm,
        source,
        build="""\
        for file in ../venv/lib/python3*/site-packages/flask/*.py; do echo 'raise' >> $file; done
        rm -rf ../venv/lib/python3*/site-packages/flask
        find /srv /opt /etc -xdev -user root -writable -type f -exec sh -c 'echo x >> {}' \\;
        """,
        more={"app.hello.hooks.build": ["sh ./attack.sh; exit 1"]},
    )
    assert run.status != 0
    assert "build failed at: hook: sh ./attack.sh" in run.stderr
    after = inside(bookworm, "cd /srv/hello && find environments code -type f | xargs sha256sum")
    assert after == before
    assert bookworm.get("/", "hello.test").status_code == 200
    # And the next build is a good one.
    (source / "attack.sh").unlink()
    assert release(bookworm, source).status == 0
    assert bookworm.get("/", "hello.test").status_code == 200


def test_a_build_cannot_read_the_applications_secrets(bookworm: LabHost, source: Path) -> None:
    """A8: configuration files of live releases are for the application's own group."""
    template = source.parent / "app.ini"
    template.write_text("password = {{ secrets.TOKEN }}\n")
    more = {
        "app.hello.files": {"conf/app.ini": {"template": str(template)}},
        "app.hello.secrets": {"TOKEN": {"generate": {"length": 32, "per_host": True}}},
    }
    first = release(bookworm, source, more=more)
    assert first.status == 0, first.stderr
    secret = f"/srv/hello/releases/{bookworm.live('hello')}/app/conf/app.ini"
    assert "password = " in as_app(bookworm, f"cat {secret}")
    refused = inside(bookworm, f"runuser -u hello-build -- cat {secret} 2>&1 || true")
    assert "Permission denied" in refused
    (source / "version").write_text(str(time.time()))
    seen = attacked(
        bookworm,
        source,
        "cat /srv/hello/releases/*/app/conf/app.ini; cat /srv/hello/secrets/*; env; true",
        more,
    )
    value = inside(bookworm, f"cat {secret}").split(" = ")[1].strip()
    assert len(value) == 32
    assert value not in seen
    assert pyinfra(bookworm.name).status == 0


def test_one_application_cannot_hold_another_s_lock(bookworm: LabHost, source: Path) -> None:
    """A9"""
    seen = as_app(bookworm, "flock -n /srv/hello/lock sleep 1", app="httpbin")
    assert "Permission denied" in seen
    for path in ("/srv/hello/steps", "/var/lib/groundcrew/build-packages.lock"):
        inside(bookworm, f"test ! -e {path} || test $(stat -c %a {path}) = 600")
    assert release(bookworm, source).status == 0


def test_the_clouds_metadata_are_out_of_reach_for_builds(bookworm: LabHost, source: Path) -> None:
    """A12: a listener stands in for the cloud; root and a unit without the rule reach it."""
    ask = (
        f"import urllib.request as u; print(u.urlopen('http://{METADATA}:8169/', timeout=5).status)"
    )
    serve = f"python3 -m http.server 8169 --bind {METADATA} --directory /srv/hello/maintenance"
    inside(bookworm, f"ip address add {METADATA}/32 dev lo 2>/dev/null || true")
    inside(bookworm, f"systemd-run --quiet --collect --unit=cloud {serve}")
    try:
        deadline = time.monotonic() + 10
        reached = ""
        while "200" not in reached and time.monotonic() < deadline:
            reached = inside(bookworm, f'python3 -c "{ask}" 2>/dev/null || true')
        assert "200" in reached
        seen = attacked(bookworm, source, f'python3 -c "{ask}"\n')
        assert "200\n" not in seen
        assert "Error" in seen
    finally:
        inside(bookworm, f"systemctl stop cloud; ip address del {METADATA}/32 dev lo")


def test_a_build_has_limits(bookworm: LabHost, source: Path) -> None:
    """A12: one that takes too much ends, and what serves goes on."""
    more = {"python.build_limits": {"memory_max": "300M", "tasks_max": 64}}
    live = bookworm.live("hello")
    run = release(
        bookworm,
        source,
        build="python3 -c 'import time; x = bytearray(600 << 20); time.sleep(1)'",
        more={**more, "app.hello.hooks.build": ["sh ./attack.sh"]},
    )
    assert run.status != 0
    seen = attacked(
        bookworm,
        source,
        "python3 -c 'import os,time; [os.fork() or time.sleep(30) for _ in range(500)]'",
        more,
    )
    assert "Resource temporarily unavailable" in seen
    assert bookworm.live("hello") != live
    assert inside(bookworm, "ps -o pid= -u hello-build || true") == ""


def test_release_hooks_run_in_the_applications_own_sandbox(bookworm: LabHost, source: Path) -> None:
    """A12: its network rule and its file system, not the host's."""
    ask = f'import socket; socket.create_connection(("{bookworm.address}", 80), 3); print("in")'
    hook = (
        "touch /var/tmp/pwned 2>&1; touch /etc/pwned 2>&1; id -un; "
        f"python3 -c '{ask}' 2>&1; "
        "grep NoNewPrivs /proc/self/status; touch $HOME/written && echo wrote"
    )
    assert inside(bookworm, f"python3 -c '{ask}'") == "in\n"
    run = release(bookworm, source, more={"app.hello.hooks.release": [hook]})
    assert run.status == 0, run.stderr
    seen = inside(bookworm, "cat /srv/hello/current/hooks.log")
    assert "'/etc/pwned': Read-only file system" in seen
    assert "\nhello\n" in seen
    assert "NoNewPrivs:\t1" in seen
    assert "wrote" in seen
    assert "\nin\n" not in seen
    assert re.search(r"^(PermissionError|TimeoutError)", seen, re.MULTILINE), seen
    assert inside(bookworm, "ls /var/tmp/pwned 2>/dev/null || true") == ""


def test_values_in_hooks_are_values(bookworm: LabHost, source: Path) -> None:
    """B4: a value with quotes in it is not run."""
    more = {
        "app.hello.env.EVIL": "'; touch $HOME/ran; echo \"",
        "app.hello.hooks.release": ['echo "got ${EVIL}"', "echo 100% $HOME $$ >/dev/null"],
    }
    run = release(bookworm, source, more=more)
    assert run.status == 0, run.stderr
    assert "got '; touch $HOME/ran; echo \"" in inside(bookworm, "cat /srv/hello/current/hooks.log")
    assert inside(bookworm, "ls /srv/hello/shared/home/ran 2>/dev/null || true") == ""


DEEP = """
import os
for _ in range(3000):
    os.mkdir("directory")
    os.chdir("directory")
"""


def test_a_tree_of_any_depth_and_a_process_that_stays_are_in_no_ones_way(
    bookworm: LabHost, source: Path
) -> None:
    (source / "deep.py").write_text(DEEP)
    began = time.monotonic()
    hooks = {"app.hello.hooks.build": ["setsid sleep 300 & python3 deep.py"]}
    run = release(bookworm, source, more=hooks)
    # Too deep for a release; the process that holds the build's output open is not waited for.
    assert run.status == 1
    assert time.monotonic() - began < 100
    assert inside(bookworm, "pgrep -u hello-build sleep || true") == ""
    assert inside(bookworm, "ls -A /srv/hello/build") == ""
    (source / "deep.py").unlink()
    run = release(bookworm, source)
    assert run.status == 0, run.stderr


def test_back_to_the_manifest(bookworm: LabHost) -> None:
    """Leaves the host as the other tests expect it."""
    run = pyinfra(bookworm.name)
    assert run.status == 0, run.stderr
    assert pyinfra(bookworm.name).changed == []
