"""A host has an account of an application's name from before, with a login, data and a process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.harness import LabHost, Run, pyinfra

APP = "hello-asgi"
ADOPT = {f"app.{APP}.adopt": True}
STATE = (
    f"getent passwd {APP}; id {APP}; getent group {APP}-web; stat -c '%U %a %n' /srv/{APP} "
    f"/srv/{APP}/orders.db; systemctl is-active old-app; ls /etc/tmpfiles.d /etc/nginx/groundcrew/*"
)


def deploy(host: LabHost, **data: object) -> Run:
    return pyinfra(host.name, data={"apps": ["hello", "httpbin", APP], **data})


def removed(host: LabHost) -> Run:
    data = {"app": APP, "purge": APP}
    return pyinfra(host.name, playbook="playbooks/remove.py", data=data)


@pytest.fixture
def taken(bookworm: LabHost) -> Iterator[LabHost]:
    # Tests before may have left the application there.
    if bookworm.out(f"getent passwd {APP}; true"):
        assert removed(bookworm).status == 0
    bookworm.out(
        f"useradd --create-home --uid 2015 --shell /bin/bash --groups sudo {APP} && "
        f"echo {APP}:long-ago | chpasswd && mkdir /srv/{APP} && "
        f"echo precious > /srv/{APP}/orders.db && chown -R {APP}: /srv/{APP} && "
        f"systemd-run --quiet --unit=old-app --uid={APP} sleep 3600"
    )
    yield bookworm
    bookworm.out(f"systemctl stop old-app 2>/dev/null; rm -rf /home/{APP}; true")
    run = removed(bookworm)
    assert run.status == 0, run.stderr
    bookworm.out(f"rm -rf /srv/{APP}; if id {APP} 2>/dev/null; then userdel {APP}; fi")
    assert pyinfra(bookworm.name).status == 0


def test_somebody_else_s_account_is_refused_or_taken_over_when_that_is_said(
    taken: LabHost,
) -> None:
    before = taken.out(f"{STATE}; true")
    run = deploy(taken)
    assert run.status == 1
    words = " ".join(run.stderr.split())
    assert f"user {APP} (uid 2015, home /home/{APP}, shell /bin/bash, groups sudo)" in words
    assert f"take it over with `adopt: true` in apps/{APP}.yml" in words
    assert taken.out(f"{STATE}; true") == before

    # The same where nobody looks before: this operation ends the run.
    run = deploy(taken, **{"preflight.enabled": False})
    assert run.status == 1
    assert f"refused, nothing was changed: user {APP} (uid 2015" in run.stderr
    assert taken.out(f"{STATE}; true") == before

    run = deploy(taken, **ADOPT)
    assert run.status == 1
    assert "cannot be taken over while it runs sleep (pid " in " ".join(run.stderr.split())
    assert taken.out(f"{STATE}; true") == before

    taken.out("systemctl stop old-app")
    run = deploy(taken, **ADOPT)
    assert run.status == 0, run.stderr
    assert taken.out(f"getent passwd {APP}").endswith(f"/srv/{APP}/shared/home:/usr/sbin/nologin")
    # Neither sudo nor the password is left, and all files are where they were.
    assert taken.out(f"id -Gn {APP}") == f"{APP} {APP}-build"
    assert taken.out(f"passwd --status {APP}").split()[1] == "L"
    assert taken.out(f"cat /srv/{APP}/orders.db; ls -a /home/{APP}").startswith("precious")
    assert taken.get("/", f"{APP}.test").status_code == 200

    # From now on it is the application's own.
    run = deploy(taken)
    assert run.status == 0, run.stderr
    assert run.changed == []
