"""A release that cannot work never gets a request, and the one before never stops serving."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import FULL, GOOD, LabHost, Run, pyinfra, start_pyinfra, traffic


def release(host: LabHost, source: Path, data: Mapping[str, Any] | None = None) -> Run:
    settings = {
        "apps": ["hello"],
        "app.hello.source.directory": str(source),
        "app.hello.health.timeout": 12,
        # Sync workers keep no connections: nothing is left to drain but requests in flight.
        "app.hello.release.drain": 6,
        **(data or {}),
    }
    return pyinfra(host.name, data=settings, playbook="playbooks/release.py")


def fails(host: LabHost, source: Path, *shown: str, data: Mapping[str, Any] | None = None) -> Run:
    """The release fails, says why, and the live one serves every request meanwhile."""
    before = host.live("hello")
    with traffic(host, "/", "hello.test") as counts:
        run = release(host, source, data)
    assert run.status != 0
    for text in shown:
        assert text in run.stderr, run.stderr
    assert 'Traceback (most recent call last):\n  File "/work' not in run.stderr
    assert counts.requests > 20
    assert counts.failures == []
    assert host.live("hello") == before
    units = host.out("systemctl list-units --plain --no-legend --state=active 'hello@*'")
    assert units.split()[0] == f"hello@{before}.service"
    assert len(units.splitlines()) == 1
    return run


def edit(source: Path, old: str, new: str) -> None:
    path = source / "hello.py"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def mended(host: LabHost, source: Path) -> None:
    """After the cause is gone, the next run converges: on the new release, without a failure."""
    shutil.rmtree(source)
    shutil.copytree(GOOD, source)
    edit(source, "Flask(__name__)", f"Flask(__name__)  # {time.time()}")
    before = host.live("hello")
    with traffic(host, "/", "hello.test") as counts:
        run = release(host, source)
    assert run.status == 0, run.stderr
    assert host.live("hello") != before
    assert counts.failures == []
    assert counts.requests > 20


def mended_too(host: LabHost, source: Path) -> None:
    """The same after a cause that leaves nothing else than one in another test here."""
    if FULL:
        mended(host, source)


def test_a_changed_application_replaces_the_old_without_a_failed_request(
    bookworm: LabHost, source: Path
) -> None:
    edit(source, '"(not set)"', '"unset"')
    edit(source, "str(os.getuid())", '"version two"')
    before = bookworm.live("hello")
    with traffic(bookworm, "/", "hello.test") as counts:
        run = release(bookworm, source)
    assert run.status == 0, run.stderr
    assert bookworm.live("hello") != before
    assert counts.failures == []
    assert any("version two" in body for body in counts.bodies)
    assert any("version two" not in body for body in counts.bodies)


def test_import_error(bookworm: LabHost, source: Path) -> None:
    edit(source, "import platform", "import platform\nimport nowhere_to_be_found")
    end = (
        "the application says: ModuleNotFoundError: No module named 'nowhere_to_be_found'",
        f"{bookworm.live('hello')} still serves",
    )
    run = fails(bookworm, source, *end)
    # They are the last words of the run, too.
    report = run.stderr[run.stderr.rindex("groundcrew: the run failed") :]
    told = " ".join(report.split())
    assert all(text in told for text in end), report
    mended(bookworm, source)


def test_never_binds(bookworm: LabHost, source: Path) -> None:
    edit(source, "app = Flask", "import time\n\ntime.sleep(600)\napp = Flask")
    fails(
        bookworm,
        source,
        "not healthy within 6 s",
        data={"app.hello.server.preload": True, "app.hello.health.timeout": 6},
    )
    mended_too(bookworm, source)


def test_health_path_answers_500(bookworm: LabHost, source: Path) -> None:
    edit(source, 'return jsonify(status="ok")', 'raise RuntimeError("database is away")')
    told = ("database is away", "/health gave status 500")
    fails(bookworm, source, *told, data={"app.hello.health.timeout": 6})
    mended_too(bookworm, source)


def test_requirements_that_do_not_resolve(bookworm: LabHost, source: Path) -> None:
    (source / "requirements.txt").write_text("flask==999.0\n")
    fails(bookworm, source, "flask==999.0", "build failed at: resolve the requirements")
    mended_too(bookworm, source)


def test_wrong_hash(bookworm: LabHost, source: Path) -> None:
    wrong = "0" * 64
    (source / "requirements.txt").write_text(f"itsdangerous==2.1.2 --hash=sha256:{wrong}\n")
    fails(bookworm, source, "ash mismatch")
    mended(bookworm, source)


def test_package_index_unreachable(bookworm: LabHost, source: Path) -> None:
    (source / "requirements.txt").write_text("flask\ncolorama==0.4.6\n")
    data = {"python.index_url": "http://127.0.0.1:9/simple"}
    fails(bookworm, source, "127.0.0.1:9", "build failed at: resolve the requirements", data=data)
    mended_too(bookworm, source)


def test_full_disk_while_building(bookworm: LabHost, source: Path) -> None:
    edit(source, "import platform", "import platform  # two")
    bookworm.out("mount -t tmpfs -o size=24k,mode=0711 tmpfs /srv/hello/build")
    try:
        fails(bookworm, source, "No space left on device")
    finally:
        bookworm.out("umount /srv/hello/build")
    assert bookworm.out("ls -A /var/tmp | grep -c groundcrew || true") == "0"
    mended(bookworm, source)


def test_failing_release_hook(bookworm: LabHost, source: Path) -> None:
    edit(source, "import platform", "import platform  # hook")
    data = {"app.hello.hooks.release": ["echo migrating && false"]}
    fails(bookworm, source, "migrating", "hook failed: echo migrating && false", data=data)
    mended(bookworm, source)


CUT_AT = ["build releases", "probe and switch", "retire"]


@pytest.mark.parametrize("step", CUT_AT if FULL else CUT_AT[:2])
def test_connection_cut_in_the_middle(bookworm: LabHost, source: Path, step: str) -> None:
    edit(source, "import platform", f"import platform  # cut at {step}")
    # Both applications, as nginx has them: a change of its own configuration reloads it, which
    # closes idle client connections.
    data = {"app.hello.source.directory": str(source)}
    with traffic(bookworm, "/", "hello.test") as counts:
        run = start_pyinfra(bookworm.name, data, "deploy.py")
        assert run.stdout is not None
        for line in run.stdout:
            if "Starting operation" in line and step in line:
                break
        bookworm.cut_connections()
        rest = run.stdout.read()
        assert run.wait(timeout=120) != 0, rest
        again = pyinfra(bookworm.name, data=data)
    assert again.status == 0, again.stderr
    assert counts.failures == []
    assert pyinfra(bookworm.name, data=data).changed == []


def test_back_to_the_manifest(bookworm: LabHost) -> None:
    """Leaves the host as the other tests expect it."""
    run = pyinfra(bookworm.name)
    assert run.status == 0, run.stderr
    assert pyinfra(bookworm.name).changed == []


def test_a_static_directory_that_the_build_makes_a_link(bookworm: LabHost, source: Path) -> None:
    """Files of the host do not become public, and the release says why it ends."""
    data = {
        "app.hello.static": {"path": "static"},
        "app.hello.hooks.build": ["rm -rf static && ln -s /etc static"],
    }
    public = "find /srv/hello/static -type f 2>/dev/null || true"
    before, files = bookworm.live("hello"), bookworm.out(public)
    run = release(bookworm, source, data)
    assert run.status != 0
    assert "app/static is a link or a file" in run.stderr
    assert bookworm.live("hello") == before
    assert bookworm.out(public) == files
    mended_too(bookworm, source)
