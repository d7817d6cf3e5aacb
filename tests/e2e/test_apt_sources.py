"""A package repository besides Debian's: signed by the test, served on the host itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import LabHost, good, pyinfra

REPOSITORY = "/root/repository"
PORT = 8471
MAKE = rf"""
set -e
export DEBIAN_FRONTEND=noninteractive GNUPGHOME=/root/repository-keys
apt-get -qq install --no-install-recommends gnupg apt-utils >/dev/null
rm -rf {REPOSITORY} $GNUPGHOME; mkdir -m 0700 $GNUPGHOME; mkdir -p {REPOSITORY}
for name in groundcrew-demo tzdata; do
    mkdir -p /tmp/deb-$name/DEBIAN
    printf 'Package: %s\nVersion: 9999.0\nArchitecture: all\nMaintainer: t <t@example.org>\n' \
        $name >/tmp/deb-$name/DEBIAN/control
    printf 'Description: made by a test\n' >>/tmp/deb-$name/DEBIAN/control
    dpkg-deb --build /tmp/deb-$name {REPOSITORY}/$name.deb >/dev/null
    rm -rf /tmp/deb-$name
done
cd {REPOSITORY}
for key in right wrong; do
    gpg --batch --quiet --passphrase '' --quick-generate-key $key@example.org rsa3072 sign never
    gpg --batch --quiet --armor --export $key@example.org >$key.asc
done
apt-ftparchive packages . >Packages
apt-ftparchive release . >Release
gpg --batch --quiet --yes --local-user right@example.org --clearsign --output InRelease Release
chmod -R a+rX {REPOSITORY}
systemd-run --quiet --unit=test-repository --property=WorkingDirectory={REPOSITORY} \
    python3 -m http.server --bind 127.0.0.1 {PORT}
"""
CLEAN = f"""
systemctl stop test-repository.service; apt-get -qq purge groundcrew-demo >/dev/null 2>&1
rm -rf {REPOSITORY} /root/repository-keys; true
"""


@dataclass
class Repository:
    host: LabHost
    folder: Path

    def data(self, key: str = "right", **more: Any) -> dict[str, Any]:
        source = {
            "url": f"http://localhost:{PORT}/",
            "suite": "./",
            "key": str(self.folder / f"{key}.asc"),
            "packages": ["groundcrew-demo"],
            **more,
        }
        return {"base.apt_sources": {"demo": source}, "base.packages": ["groundcrew-demo"]}


@pytest.fixture(scope="module")
def repository(bookworm: LabHost, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    folder = tmp_path_factory.mktemp("keys")
    bookworm.out(MAKE)
    for key in ("right", "wrong"):
        (folder / f"{key}.asc").write_text(bookworm.out(f"cat {REPOSITORY}/{key}.asc") + "\n")
    yield Repository(bookworm, folder)
    bookworm.out(CLEAN)
    good(pyinfra(bookworm.name))


def test_a_key_that_did_not_sign_it_ends_the_run(repository: Repository) -> None:
    failed = pyinfra(repository.host.name, data=repository.data("wrong"))
    assert failed.status != 0
    assert "NO_PUBKEY" in failed.stderr or "not signed" in failed.stderr
    assert not repository.host.shell.package("groundcrew-demo").is_installed


def test_it_provides_what_is_named_and_nothing_else(repository: Repository) -> None:
    host = repository.host
    before = host.out("dpkg-query -W -f '${Version}' tzdata")
    good(pyinfra(host.name, data=repository.data()))
    assert host.out("dpkg-query -W -f '${Version}' groundcrew-demo") == "9999.0"
    assert "Candidate: 9999.0" not in host.out("LC_ALL=C apt-cache policy tzdata")
    host.out("apt-get -qq --simulate upgrade | grep -q 'tzdata.*9999' && exit 1 || true")
    assert host.out("dpkg-query -W -f '${Version}' tzdata") == before
    assert good(pyinfra(host.name, data=repository.data())).changed == []
    assert pyinfra(host.name, "--dry", data=repository.data()).planned == []


def test_a_mirror_that_serves_debian_too_is_refused_and_nothing_changes(
    repository: Repository,
) -> None:
    host = repository.host
    address = host.out(
        "grep -rhoE '://[^/ ]+/' /etc/apt/sources.list /etc/apt/sources.list.d "
        "--exclude='groundcrew-*' 2>/dev/null | head -n 1; true"
    ).strip("/:")
    if not address:
        pytest.skip("this host has no source with a host name")
    failed = pyinfra(host.name, data=repository.data(url=f"http://{address}/other"))
    assert failed.status != 0
    assert "under a name of its own" in failed.stderr
    assert f"localhost:{PORT}" in host.out("cat /etc/apt/sources.list.d/groundcrew-demo.sources")


def test_without_it_its_files_are_gone_and_its_package_stays(repository: Repository) -> None:
    host = repository.host
    good(pyinfra(host.name))
    assert host.out("find /etc/apt -name 'groundcrew-*'") == ""
    assert host.shell.package("groundcrew-demo").is_installed
    assert good(pyinfra(host.name)).changed == []
