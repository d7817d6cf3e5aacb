"""A host that has been used before: another disk below /srv, strict masks, a local resolver, a
container engine with rules and a published port of its own, another web server."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import requests

from tests.e2e.harness import LabHost, Run, inside, pyinfra

BOX = 8088
TEMPLATE = "/etc/cloud/templates/hosts.debian.tmpl"
USED = f"""
set -e
export DEBIAN_FRONTEND=noninteractive
mkdir -p /data/srv
chmod 755 /data /data/srv
rmdir /srv
ln -s data/srv /srv
sed -i '1i umask 077' /root/.bashrc
sed -i 's/^UMASK.*/UMASK 077/' /etc/login.defs
echo session optional pam_umask.so umask=0077 >> /etc/pam.d/common-session
apt-get update -qq
apt-get install -y -qq --no-install-recommends systemd-resolved docker.io iptables busybox-static
# What cloud-init makes /etc/hosts of at each boot, where an image wants that.
mkdir -p /etc/cloud/templates
printf '## template:jinja\\n127.0.0.1 localhost\\n' > {TEMPLATE}
mkdir -p /root/box/bin /root/box/www
cp /bin/busybox /root/box/bin/busybox
echo from the box > /root/box/www/index.html
tar -C /root/box -c . | docker import - box
docker run -d --restart=always -p {BOX}:80 --name box box /bin/busybox httpd -f -p 80 -h /www
systemd-run --quiet --unit=old-web python3 -m http.server 80
until ss -lnt | grep -q ':80 '; do sleep 0.2; done
"""
DATA = {"apps": ["hello"], "base.hosts": {"redis.internal": "10.0.0.5"}}


def deploy(host: LabHost, *options: str, **data: object) -> Run:
    return pyinfra(host.name, *options, data={**DATA, **data})


@pytest.fixture(scope="module")
def used() -> Iterator[LabHost]:
    host = LabHost("e2e-used", "bookworm", bare=True)
    host.up()
    inside(host, USED)
    yield host
    if not os.environ.get("GROUNDCREW_KEEP"):
        host.down()


def box(host: LabHost) -> str:
    return requests.get(f"http://{host.address}:{BOX}/", timeout=10).text.strip()


def test_another_web_server_is_named_before_anything_is_changed(used: LabHost) -> None:
    before = inside(used, "dpkg -l | wc -l; ls /etc; ss -lnt | sort")
    run = deploy(used)
    assert run.status == 1
    words = " ".join(run.stderr.split())
    assert "port 80" in words
    assert "old-web.service" in words
    assert "stop it, or choose another port" in words
    assert inside(used, "dpkg -l | wc -l; ls /etc; ss -lnt | sort") == before
    inside(used, "systemctl stop old-web")


def test_it_converges_and_what_was_there_goes_on(used: LabHost) -> None:
    run = deploy(used)
    # Everything is done; what the host shows the world besides is named.
    assert run.status == 1
    assert f"docker-proxy listens on 0.0.0.0:{BOX}" in " ".join(run.stderr.split())
    assert used.get("/", "hello.test").status_code == 200
    assert box(used) == "from the box"

    declared = {"verify.listening": [BOX]}
    run = deploy(used, **declared)
    assert run.status == 0, run.stderr
    assert run.changed == []
    assert deploy(used, "--dry", **declared).planned == []
    assert used.get("/static/style.css", "hello.test").status_code in (200, 404)
    assert used.out("stat -c %F /srv; readlink -f /srv/hello").splitlines() == [
        "symbolic link", "/data/srv/hello",
    ]  # fmt: skip


def test_nobody_is_asked_for_local_names(used: LabHost) -> None:
    assert "inactive" not in used.out("systemctl is-active systemd-resolved")
    assert used.out("ss -Hlnu 'sport = :5355 or sport = :5353'") == ""
    assert used.out("ss -Hlnt 'sport = :5355'") == ""


def test_names_of_the_host_are_in_cloud_init_s_template_too(used: LabHost) -> None:
    line = "10.0.0.5 redis.internal # groundcrew"
    for path in (TEMPLATE, "/etc/hosts"):
        assert line in used.out(f"cat {path}").splitlines()
    # Something makes the file anew: the next checks say so.
    used.out("sed '/# groundcrew$/d' /etc/hosts > /tmp/hosts && cat /tmp/hosts > /etc/hosts")
    run = pyinfra(
        used.name, playbook="playbooks/verify.py", data={**DATA, "verify.listening": [BOX]}
    )
    assert run.status == 1
    assert "redis.internal is missing, not 10.0.0.5" in " ".join(run.stderr.split())


def test_a_changed_conffile_holds_no_security_update_back(used: LabHost) -> None:
    shown = used.out("apt-config dump | grep force-conf")
    assert "--force-confold" in shown
    # As Debian's own program reads it.
    told = used.out(
        'python3 -c "import apt_pkg; apt_pkg.init(); '
        "print('--force-confold' in apt_pkg.config.value_list('Dpkg::Options'))\""
    )
    assert told == "True"
