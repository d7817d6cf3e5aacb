"""HTTPS as browsers and a CA see it: certificates, redirects, protocols, a release, ACME."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import ROOT, LabHost, pyinfra
from tests.unit.certificates import certificate, new_key, pem

DIRECTORY = "https://127.0.0.1:14000/dir"
START = """
set -e
export DEBIAN_FRONTEND=noninteractive
apt-get install -y -qq pebble curl >/dev/null
rm -rf /etc/letsencrypt/accounts /etc/letsencrypt/live
rm -rf /etc/letsencrypt/archive /etc/letsencrypt/renewal
mkdir -p /root/acme && cd /root/acme
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=localhost \
    -addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out cert.pem 2>/dev/null
echo '{"pebble": {"listenAddress": "127.0.0.1:14000", "managementListenAddress": "127.0.0.1:15000",
    "certificate": "cert.pem", "privateKey": "key.pem", "httpPort": 80, "tlsPort": 443}}' > config
systemd-run -q --unit acme-names pebble-challtestsrv -defaultIPv4 127.0.0.1 -defaultIPv6 "" \
    -http01 "" -https01 "" -tlsalpn01 "" -dns01 127.0.0.1:8053 -management 127.0.0.1:8055
# It refuses one nonce in twenty on purpose, and certbot gives up where it refuses two in a row.
systemd-run -q --unit acme-directory --working-directory /root/acme --setenv PEBBLE_VA_NOSLEEP=1 \
    --setenv PEBBLE_WFE_NONCEREJECT=0 pebble -config config -dnsserver 127.0.0.1:8053
for try in $(seq 50); do curl -sk -o /dev/null https://127.0.0.1:14000/dir && break; sleep 0.1; done
"""
STOP = """
export DEBIAN_FRONTEND=noninteractive
systemctl stop acme-directory acme-names
apt-get purge -y -qq pebble certbot >/dev/null
rm -rf /etc/letsencrypt
"""
HOOK = """#!/bin/sh
exec curl -s --data "{\\"host\\": \\"_acme-challenge.$CERTBOT_DOMAIN.\\", \\"value\\": \
\\"$CERTBOT_VALIDATION\\"}" http://127.0.0.1:8055/set-txt
"""


class Site:
    """A site on a host, asked as a browser asks."""

    def __init__(self, host: LabHost, ca: Path, name: str = "hello.test") -> None:
        self.host, self.ca, self.name = host, ca, name

    def curl(self, *options: str, url: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["curl", "-sS", "--max-time", "15", "--noproxy", "*", "--cacert", str(self.ca),
             "--connect-to", f"::{self.host.address}:", *options, url or f"https://{self.name}/"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    def header(self, name: str, *options: str, url: str | None = None) -> str | None:
        head = self.curl("-o", "/dev/null", "-D", "-", *options, url=url).stdout
        match = re.search(rf"^{name}: (.*?)\r?$", head, re.IGNORECASE | re.MULTILINE)
        return match[1] if match else None

    def status(self, *options: str, url: str | None = None) -> str:
        return self.curl("-o", "/dev/null", "-w", "%{http_code}", *options, url=url).stdout

    def serial(self) -> str:
        shown = subprocess.run(
            ["openssl", "s_client", "-connect", f"{self.host.address}:443", "-servername",
             self.name], input="", capture_output=True, text=True, check=False,
        )  # fmt: skip
        return subprocess.run(
            ["openssl", "x509", "-noout", "-serial"], input=shown.stdout, capture_output=True,
            text=True, check=True,
        ).stdout  # fmt: skip


@pytest.fixture(scope="module")
def tls_host(bookworm: LabHost) -> Iterator[LabHost]:
    yield bookworm
    run = pyinfra(bookworm.name)
    assert run.status == 0, run.stderr
    assert bookworm.get("/", "hello.test").status_code == 200
    assert bookworm.out("ls -A /etc/ssl/groundcrew") == ""


def data(tls: dict[str, Any], **more: Any) -> dict[str, Any]:
    hello = {"domains": ["hello.test"], "tls": tls, "release": {"check_window": 1}}
    return {"apps": ["hello"], "app": {"hello": {**hello, **more}}}


LAB = {"certificate": {"type": "self-signed"}, "plain_health": True}


@pytest.fixture(scope="module")
def lab(tls_host: LabHost) -> Site:
    run = pyinfra(tls_host.name, data=data(LAB))
    assert run.status == 0, run.stderr
    return Site(tls_host, ROOT / ".groundcrew/ca/ca.pem")


def test_a_browser_that_trusts_the_lab_ca_gets_http2_and_hsts(lab: Site) -> None:
    answer = lab.curl("--http2", "-w", "%{http_version} %{ssl_verify_result}")
    assert answer.stderr == ""
    assert answer.stdout.endswith("2 0")
    assert "It works" in answer.stdout
    assert lab.header("Strict-Transport-Security") == "max-age=300"
    assert lab.header("Strict-Transport-Security", url="http://hello.test/") is None


def test_the_second_run_changes_nothing(lab: Site) -> None:
    again = pyinfra(lab.host.name, data=data(LAB))
    assert again.status == 0, again.stderr
    assert again.changed == []
    assert pyinfra(lab.host.name, "--dry", data=data(LAB)).planned == []


def test_plain_http_leads_to_https_and_answers_the_health_path_only(lab: Site) -> None:
    for path in ("/", "/a?b=c"):
        assert lab.status(url=f"http://hello.test{path}") == "308"
        assert lab.header("Location", url=f"http://hello.test{path}") == f"https://hello.test{path}"
    assert lab.status("-X", "POST", url="http://hello.test/echo") == "308"
    assert lab.status(url="http://hello.test/health") == "200"


def test_old_protocols_and_unknown_names_are_refused(lab: Site) -> None:
    assert lab.curl("--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0").returncode == 35
    assert lab.status("--tls-max", "1.2") == "200"
    weak = "AES128-SHA:DHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-SHA256@SECLEVEL=0"
    assert lab.curl("--tls-max", "1.2", "--ciphers", weak).returncode == 35
    assert lab.curl("-k", url="https://other.test/").returncode == 35
    assert lab.curl("-k", url=f"https://{lab.host.address}/").returncode == 35
    # A good name for the connection, another one for the request.
    for version in ("--http1.1", "--http2"):
        assert lab.status(version, "-H", "Host: other.test") == "421"


def test_applications_are_told_that_it_is_https(lab: Site) -> None:
    told = json.loads(lab.curl("--data", "x", url="https://hello.test/echo").stdout)
    assert told["scheme"] == "https"
    assert told["url"] == "https://hello.test/echo"


def test_the_key_is_root_s_alone(lab: Site) -> None:
    modes = lab.host.out("stat -Lc '%a %U' /etc/ssl/groundcrew /etc/ssl/groundcrew/hello/*key.pem")
    assert modes.split("\n") == ["700 root", "600 root"]


def test_a_release_under_https_drops_nothing(lab: Site, tmp_path: Path) -> None:
    source = tmp_path / "hello"
    shutil.copytree(ROOT / "examples" / "hello", source)
    changed = data(LAB, source={"directory": str(source)})
    load = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("load.py")), lab.host.address, lab.name,
         "3000", "50", "0", str(lab.ca)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    before = lab.host.live("hello")
    (source / "release.txt").write_text("next")
    run = pyinfra(lab.host.name, data=changed, playbook="playbooks/release.py", nice=15)
    out, _ = load.communicate(timeout=60)
    assert run.status == 0, run.stderr
    assert lab.host.live("hello") != before
    counts = json.loads(out)
    assert counts["failures"] == []
    assert len(counts["samples"]) > 200


def own(path: Path, *names: str, key: Any = None) -> dict[str, Any]:
    """Settings of a certificate of the user's, and its files in `path`: `ca.pem` is its root."""
    root, leaf = new_key(), new_key()
    path.mkdir(exist_ok=True)
    (path / "ca.pem").write_text(certificate(root, issuer="root", subject="root"))
    chain = certificate(leaf, *names, issuer="root", issuer_key=root)
    (path / "chain.pem").write_text(chain)
    (path / "key.pem").write_text(pem(key or leaf))
    files = {"chain": str(path / "chain.pem"), "ca_file": str(path / "ca.pem")}
    return {"certificate": {"type": "own", "key": {"file": str(path / "key.pem")}, **files}}


def test_an_own_certificate_serves_and_a_wrong_one_never_comes_near(
    lab: Site, tmp_path: Path
) -> None:
    run = pyinfra(lab.host.name, data=data(own(tmp_path, "hello.test")))
    assert run.status == 0, run.stderr
    assert "KEY-----" not in run.stdout + run.stderr
    site = Site(lab.host, tmp_path / "ca.pem")
    assert site.status() == "200"
    served = site.serial()
    wrong = {
        "not for hello.test but for other.test": own(tmp_path / "name", "other.test"),
        "the key is not the certificate's": own(tmp_path / "key", "hello.test", key=new_key()),
    }
    for message, tls in wrong.items():
        refused = pyinfra(lab.host.name, data=data(tls))
        assert refused.status == 1
        assert message in refused.stderr
        assert "nothing was changed" in refused.stderr
    assert site.serial() == served


@pytest.fixture(scope="module")
def acme(lab: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A real ACME directory on the host, which asks its own name server for names."""
    folder = tmp_path_factory.mktemp("acme")
    lab.host.out(START)
    (folder / "directory.pem").write_text(lab.host.out("cat /root/acme/cert.pem"))
    (folder / "root.pem").write_text(lab.host.out("curl -sk https://127.0.0.1:15000/roots/0"))
    yield Site(lab.host, folder / "root.pem")
    lab.host.out(STOP)


def acme_data(acme: Site, **certificate: Any) -> dict[str, Any]:
    names = ["hello.test", "*.hello.test"] if certificate else ["hello.test"]
    return {
        **data({"certificate": {"type": "acme", **certificate}}, domains=names),
        "tls": {
            "acme": {
                "directory": DIRECTORY,
                "agree_tos": True,
                "ca_file": str(acme.ca.with_name("directory.pem")),
            }
        },
    }


def test_a_directory_issues_a_certificate_and_renews_it(acme: Site) -> None:
    host = acme.host
    # As on a fresh host: nginx has no certificate, and the directory cannot find the name.
    host.out("rm -r /etc/ssl/groundcrew")
    asked = 'curl -s --data \'{"host": "hello.test"}\' http://127.0.0.1:8055'
    host.out(f"{asked}/set-servfail")
    run = pyinfra(host.name, data=acme_data(acme))
    assert run.status == 1
    assert "no certificate for hello.test" in run.stdout + run.stderr
    assert "could not resolve" in run.stdout + run.stderr
    assert acme.status("-k") == "200"
    assert acme.curl().returncode == 60

    host.out(f"{asked}/clear-servfail")
    run = pyinfra(host.name, data=acme_data(acme))
    assert run.status == 0, run.stderr
    assert acme.status() == "200"
    assert pyinfra(host.name, "--dry", data=acme_data(acme)).planned == []
    assert host.out("systemctl is-active certbot.timer") == "active"

    # What the timer starts, with the certificate taken for one that is about to expire.
    host.out("sed -i '1i renew_before_expiry = 9000 days' /etc/letsencrypt/renewal/hello.conf")
    first = acme.serial()
    host.out("systemctl start certbot.service")
    deadline = time.monotonic() + 10
    while acme.serial() == first and time.monotonic() < deadline:
        time.sleep(0.2)
    assert acme.serial() != first
    assert acme.status() == "200"


def test_records_in_the_dns_prove_names_with_a_star(acme: Site, tmp_path: Path) -> None:
    (tmp_path / "hook").write_text(HOOK)
    run = pyinfra(acme.host.name, data=acme_data(acme, dns={"add": str(tmp_path / "hook")}))
    assert run.status == 0, run.stderr
    assert Site(acme.host, acme.ca, "any.hello.test").status() == "200"


def test_debian_13_with_the_modern_profile(trixie: LabHost) -> None:
    run = pyinfra(trixie.name, data={**data(LAB), "tls": {"profile": "modern"}})
    try:
        assert run.status == 0, run.stderr
        site = Site(trixie, ROOT / ".groundcrew/ca/ca.pem")
        assert site.curl("-o", "/dev/null", "-w", "%{http_version}").stdout == "2"
        assert site.curl("--tls-max", "1.2").returncode == 35
        assert "deprecated" not in trixie.out("nginx -t 2>&1")
        assert "X25519MLKEM768" in trixie.out(
            "echo | openssl s_client -connect 127.0.0.1:443 -servername hello.test 2>&1"
        )
    finally:
        assert pyinfra(trixie.name).status == 0
